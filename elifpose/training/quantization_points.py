"""What goes through the quantization points of a network, against the range that each has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from elifpose.quantization import quantizers
from elifpose.quantization.quantizers import MovingRange, evenly_spread

KEPT = 8192
"""Values of a point that are kept, at most."""


class PointValues(NamedTuple):
    """The activations at one quantization point."""

    name: str
    bits: int
    low: float
    """What the smallest code stands for."""
    high: float
    """What the largest code stands for."""
    smallest: float
    """Of all values seen."""
    largest: float
    clipped: float
    """Share of the values beyond the outermost codes."""
    sample: npt.NDArray[np.float32]
    """``(M,)``, evenly spread values, `KEPT` at most."""

    @property
    def width(self) -> float:
        """Of the range that the codes cover."""
        return self.high - self.low


@torch.no_grad()
def watch_points(network: nn.Module, images: Tensor) -> list[PointValues]:
    """Run a network once and look at what comes to its quantization points.

    Args:
        network: Prepared, in evaluation mode, so that nothing is observed.
        images: ``(N, 3, H, W)`` as the network takes them, on its device.

    Returns:
        The points in the order in which the network calls them.
    """
    seen: list[PointValues] = []
    with _watching(network, seen):
        network(images)
    return seen


@contextmanager
def _watching(network: nn.Module, seen: list[PointValues]) -> Iterator[None]:
    def keep(name: str, quantizer: MovingRange, x: Tensor) -> None:
        seen.append(_describe(name, quantizer, x.detach().float()))

    hooks = [
        quantizer.register_forward_pre_hook(lambda module, inputs, name=name: keep(name, module, inputs[0]))
        for name, quantizer in quantizers(network)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _describe(name: str, quantizer: MovingRange, x: Tensor) -> PointValues:
    scale, zero_point = (float(value) for value in quantizer.scale_and_zero_point())
    largest_code = 2**quantizer.bits - 1
    low, high = -zero_point * scale, (largest_code - zero_point) * scale
    beyond = (x < low - scale / 2) | (x > high + scale / 2)
    return PointValues(
        name,
        quantizer.bits,
        low,
        high,
        float(x.min()),
        float(x.max()),
        float(beyond.float().mean()),
        evenly_spread(x, KEPT).cpu().numpy(),
    )
