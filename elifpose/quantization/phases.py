"""What a prepared network does at a time: observe ranges, quantize, or hold them and its norms fixed."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.quantizers import LearnedStep, MovingRange
from elifpose.quantization.swap import require_prepared
from elifpose.utils.errors import ElifPoseError

_BatchNorm = nn.modules.batchnorm._BatchNorm


def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Find the ranges of all activations anew from some batches, as the float network has them.

    Nothing else changes: not the weights, nor the statistics of norms, nor what is in training mode. Afterwards the
    network quantizes, and moving ranges observe in training.

    Args:
        network: A prepared network.
        batches: What the network takes, on its device.

    Raises:
        ElifPoseError: The network is not prepared, there is no batch, or a range is not finite.
    """
    require_prepared(network)
    training = [module for module in network.modules() if module.training]
    network.eval()
    set_quantizing(network, False)
    for _, quantizer in quantizers(network):
        quantizer.train()
        quantizer.observing = True
        quantizer.forget()
    try:
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        network.eval()
        for module in training:
            module.training = True
        set_quantizing(network, True)
        set_observing(network, True)
    check_ranges(network)


def set_observing(network: nn.Module, on: bool) -> None:
    """Whether moving ranges follow the batches of training; learned steps observe in calibration alone."""
    for _, quantizer in quantizers(network):
        quantizer.observing = on and not isinstance(quantizer, LearnedStep)


def set_quantizing(network: nn.Module, on: bool) -> None:
    """Whether weights and activations are fake-quantized; off, a prepared network computes as the float one."""
    for module in network.modules():
        if isinstance(module, MovingRange | FakeQuantConv2d | FakeQuantLinear | FakeQuantSiLU):
            module.quantizing = on


def freeze_batch_norm(network: nn.Module) -> None:
    """Norms use their running statistics and keep them; ``network.train()`` undoes it."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def freeze(network: nn.Module) -> None:
    """Fix ranges and norms for the last part of the training; see :func:`freeze_batch_norm`.

    Raises:
        ElifPoseError: A range is not finite, or was never observed.
    """
    require_prepared(network)
    check_ranges(network)
    set_observing(network, False)
    freeze_batch_norm(network)


def quantizers(network: nn.Module) -> Iterator[tuple[str, MovingRange]]:
    """The points' quantizers with the points' names."""
    for name, module in network.named_modules():
        if isinstance(module, FakeQuantPoint):
            yield name, module.quantizer


def check_ranges(network: nn.Module) -> None:
    """Raise `ElifPoseError` where an activation has no range that can be used."""
    for name, quantizer in quantizers(network):
        if not quantizer.batches:
            raise ElifPoseError(f"quantization: {name} has seen no data; calibrate the network with a batch or more")
        if not all(
            torch.isfinite(value) for value in (quantizer.low, quantizer.high, *quantizer.scale_and_zero_point())
        ):
            raise ElifPoseError(
                f"quantization: the values at {name} reach from {float(quantizer.low):.3g} to "
                f"{float(quantizer.high):.3g}; look for weights or images that are not finite"
            )
