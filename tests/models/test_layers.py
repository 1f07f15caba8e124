import pytest
import torch
from torch import nn
from torch.nn import functional as F

from elifpose.models.layers import (
    ACTIVATIONS,
    Activation,
    ChannelAttention,
    ConvBNAct,
    CSPLayer,
    CSPNeXtBlock,
    SPPBottleneck,
)


def test_spp_pools_over_windows_of_5_9_and_13() -> None:
    layer = SPPBottleneck(8, 6).eval()
    x = torch.randn(2, 8, 17, 11)
    reduced = layer.conv1(x)
    pooled = [F.max_pool2d(reduced, side, stride=1, padding=side // 2) for side in (5, 9, 13)]
    torch.testing.assert_close(layer(x), layer.conv2(torch.cat((reduced, *pooled), dim=1)))


def test_channel_attention_scales_by_a_gate_of_the_means() -> None:
    layer = ChannelAttention(3)
    nn.init.zeros_(layer.fc.weight)
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(layer(x), x * 0.5)  # a gate of logit 0

    nn.init.dirac_(layer.fc.weight)
    gate = (x.mean(dim=(2, 3), keepdim=True) / 6 + 0.5).clamp(0, 1)
    torch.testing.assert_close(layer(x), x * gate)


def test_channel_attention_starts_without_bias() -> None:
    assert not torch.any(ChannelAttention(4).fc.bias)  # type: ignore[arg-type]


def test_block_adds_its_input_only_if_asked() -> None:
    block = CSPNeXtBlock(4).eval()
    x = torch.randn(1, 4, 6, 6)
    with_identity = block(x)
    block.add_identity = False
    torch.testing.assert_close(with_identity, block(x) + x)


@pytest.mark.parametrize("activation", ["SiLU", "ReLU", "Hardswish"])
def test_activation_is_the_one_that_was_asked_for(activation: Activation) -> None:
    layer = CSPLayer(4, 4, depthwise=True, activation=activation)
    found = {type(module) for module in layer.modules()} & set(ACTIVATIONS.values())
    assert found == {getattr(nn, activation)}


@pytest.mark.parametrize(("kernel_size", "stride", "shape"), [(1, 1, (9, 7)), (5, 1, (9, 7)), (3, 2, (5, 4))])
def test_convolution_keeps_or_halves_the_map(kernel_size: int, stride: int, shape: tuple[int, int]) -> None:
    out = ConvBNAct(2, 4, kernel_size, stride)(torch.randn(2, 2, 9, 7))
    assert out.shape == (2, 4, *shape)
