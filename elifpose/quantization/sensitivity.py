"""Which layers suffer from few bits: each is quantized alone, and the keypoints are compared with the float ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elifpose.codecs.simcc import SimCC
from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.names import quantizable_layers
from elifpose.quantization.outputs import decibels, watch_outputs
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
        shifts = torch.cat(self.shifts)
        return LayerError(name, decibels(self.signal, self.noise), float(shifts.mean()), float(shifts.max()))


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


def _add_batch(
    network: nn.Module, images: Tensor, codec: SimCC, layers: dict[str, list[nn.Module]], sums: dict[str, _Sums]
) -> None:
    """Run one batch in float, then once per layer with that layer quantized."""
    set_quantizing(network, False)
    with watch_outputs({layer: members[-1] for layer, members in layers.items()}) as outputs:
        keypoints, _ = codec.decode(*network(images))
    for layer, members in layers.items():
        _switch(members, True)
        with watch_outputs({layer: members[-1]}) as own:
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
