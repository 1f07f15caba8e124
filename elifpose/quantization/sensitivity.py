"""Which layers suffer from few bits: each is quantized alone, and the keypoints are compared with the float ones."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elifpose.codecs.simcc import SimCC
from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.names import quantizable_layers
from elifpose.quantization.phases import check_ranges, set_quantizing
from elifpose.quantization.swap import require_prepared
from elifpose.utils.errors import ElifPoseError

_FAKE = (FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU)


class LayerError(NamedTuple):
    """What quantizing one layer alone does."""

    name: str
    """The layer, as a pattern of ``float_layers`` or ``sixteen_bit_layers`` can name it."""
    signal_to_noise: float
    """Power of what the layer gives over that of what quantization changes there, dB."""
    mean_shift: float
    """Mean distance by which decoded keypoints move, input pixels."""
    max_shift: float
    """Largest such distance, input pixels."""


@dataclass
class _Sums:
    """What is added up for one layer."""

    signal: float = 0.0
    noise: float = 0.0
    shifts: list[Tensor] = field(default_factory=list)

    def error(self, name: str) -> LayerError:
        ratio = self.signal / self.noise if self.noise else math.inf
        shifts = torch.cat(self.shifts)
        decibels = 10 * math.log10(ratio) if ratio else -math.inf
        return LayerError(name, decibels, float(shifts.mean()), float(shifts.max()))


@torch.no_grad()
def sensitivity(network: nn.Module, batches: Iterable[Tensor], codec: SimCC) -> list[LayerError]:
    """Quantize each layer of a network alone and compare with the float network.

    The network runs once per layer and batch: a few dozen people are enough for an order of the layers.

    Args:
        network: Prepared and calibrated. It is left quantizing, and otherwise as it was.
        batches: Images ``(N, 3, H, W)`` as the network takes them, on its device.
        codec: Decodes the network's logits.

    Returns:
        One entry per layer that is quantized, largest mean shift first.

    Raises:
        ElifPoseError: The network is not prepared or not calibrated, or there is no batch.
    """
    require_prepared(network)
    check_ranges(network)
    modules = dict(network.named_modules())
    layers = {
        layer: fake
        for layer, members in quantizable_layers(network).items()
        if (fake := [modules[member] for member in members if isinstance(modules[member], _FAKE)])
    }
    sums = {layer: _Sums() for layer in layers}
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        for images in batches:
            _add_batch(network, images, codec, layers, sums)
    finally:
        set_quantizing(network, True)
        for module in training:
            module.training = True
    if not any(of_layer.shifts for of_layer in sums.values()):
        raise ElifPoseError("sensitivity: there is no batch of images; give one or more")
    return sorted((of_layer.error(layer) for layer, of_layer in sums.items()), key=lambda e: -e.mean_shift)


def propose_float_layers(errors: Sequence[LayerError], budget: float) -> tuple[str, ...]:
    """The fewest layers to keep at higher precision so that the others' shifts stay within a budget.

    Layers' errors are taken as independent: together they shift by the root of the sum of squares.

    Args:
        errors: What :func:`sensitivity` gave.
        budget: Mean shift of keypoints that is allowed, input pixels.

    Returns:
        Names for ``float_layers`` or ``sixteen_bit_layers``, worst first.
    """
    worst_first = sorted(errors, key=lambda error: -error.mean_shift)
    for kept, _ in enumerate(worst_first):
        if math.hypot(*(error.mean_shift for error in worst_first[kept:])) <= budget:
            return tuple(error.name for error in worst_first[:kept])
    return tuple(error.name for error in worst_first)


def _add_batch(
    network: nn.Module, images: Tensor, codec: SimCC, layers: dict[str, list[nn.Module]], sums: dict[str, _Sums]
) -> None:
    """Run one batch in float, then once per layer with that layer quantized."""
    set_quantizing(network, False)
    with _outputs(layers) as outputs:
        keypoints, _ = codec.decode(*network(images))
    for layer, members in layers.items():
        _switch(members, True)
        with _outputs({layer: members}) as own:
            moved, _ = codec.decode(*network(images))
        _switch(members, False)
        expected = outputs[layer]
        sums[layer].signal += float(expected.square().sum(dtype=torch.float64))
        sums[layer].noise += float((own[layer] - expected).square().sum(dtype=torch.float64))
        sums[layer].shifts.append(torch.linalg.vector_norm(moved - keypoints, dim=-1).flatten())


def _switch(members: Iterable[nn.Module], on: bool) -> None:
    """Quantize with some modules or not."""
    for member in members:
        set_quantizing(member, on)


@contextmanager
def _outputs(layers: dict[str, list[nn.Module]]) -> Iterator[dict[str, Tensor]]:
    """Collects what each layer's last module gives while the network runs."""
    outputs: dict[str, Tensor] = {}

    def keep(layer: str, output: Tensor) -> None:
        outputs[layer] = output

    hooks = [
        members[-1].register_forward_hook(lambda _module, _inputs, output, layer=layer: keep(layer, output))
        for layer, members in layers.items()
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
