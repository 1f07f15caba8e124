"""Fake-quantized and converted layers against integer arithmetic in NumPy, written for this test."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from elifpose.models import PoseEstimator
from elifpose.models.layers import Activation, ConvBNAct, QuantPoint
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.quantization.convert import IntegerConv2d, IntegerLinear, IntegerPoint
from elifpose.utils.errors import ElifPoseError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class Affine(NamedTuple):
    """Meaning of unsigned 8-bit codes, found from the values of a tensor."""

    scale: float
    zero: int

    @classmethod
    def of(cls, values: Floats) -> "Affine":
        low, high = min(values.min(), 0.0), max(values.max(), 0.0)
        scale = float(np.float32((np.float32(high) - np.float32(low)) / np.float32(255)))
        return cls(scale, int(np.rint(-low / scale)))

    def codes(self, values: Floats) -> Codes:
        codes: Codes = np.clip(np.rint(values / self.scale) + self.zero, 0, 255).astype(np.int64)
        return codes


def _int8_weight(weight: Floats) -> tuple[Codes, Floats]:
    """Codes −127 to 127 and one scale per output channel."""
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / 127
    return np.rint(weight / scales.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int64), scales


def _accumulate(x: Codes, weight: Codes, stride: int, groups: int) -> Codes:
    """Integer convolution ``(C, H, W)`` with padding that keeps the size; ``x`` has its zero point taken off."""
    out_channels, per_group, side, _ = weight.shape
    padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2)))
    height, width = (-(-size // stride) for size in x.shape[1:])
    out = np.zeros((out_channels, height, width), dtype=np.int64)
    for channel in range(out_channels):
        first = channel // (out_channels // groups) * per_group
        for row in range(height):
            for column in range(width):
                top, left = row * stride, column * stride
                window = padded[first : first + per_group, top : top + side, left : left + side]
                out[channel, row, column] = np.sum(window * weight[channel])
    return out


def _array(values: Tensor) -> Floats:
    return values.detach().double().numpy()


def _both(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What a float network gives after preparation and calibration with ``x``: fake-quantized, and in integers."""
    prepare(network)
    calibrate(network, [x])
    return network.eval()(x).detach(), convert(network)(x)


def _assert_within_a_step(expected: Codes, results: tuple[Tensor, Tensor], affine: Affine) -> None:
    """The same code almost everywhere, and never more than one beside it; converted and fake are equal."""
    fake, converted = results
    for result in results:
        codes = np.rint(_array(result)[0] / affine.scale).astype(np.int64) + affine.zero
        assert np.abs(codes - expected).max() <= 1
        assert np.mean(codes != expected) < 0.01
    torch.testing.assert_close(fake, converted, rtol=0, atol=1.01 * affine.scale)
    assert (fake != converted).float().mean() < 0.01 or torch.allclose(fake, converted, atol=affine.scale / 100)


class Block(nn.Module):
    """A convolution block on a quantized input."""

    def __init__(self, groups: int, side: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.input_point = QuantPoint()
        self.block = ConvBNAct(8, 8, side, stride, groups, activation)
        bn = self.block.bn
        nn.init.uniform_(bn.weight, -1.5, 1.5)
        nn.init.normal_(bn.bias, std=0.3)
        bn.running_mean = torch.randn(8) * 0.2
        bn.running_var = torch.rand(8) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(self.input_point(x))
        return out


def _norm(block: ConvBNAct) -> tuple[Floats, Floats]:
    """Factor and offset of each channel."""
    bn = block.bn
    assert bn.running_var is not None
    assert bn.running_mean is not None
    factor = _array(bn.weight) / np.sqrt(_array(bn.running_var) + bn.eps)
    return factor, _array(bn.bias) - _array(bn.running_mean) * factor


@pytest.mark.parametrize("activation", ["ReLU", "SiLU", "Hardswish"])
@pytest.mark.parametrize(("groups", "side", "stride"), [(1, 3, 1), (1, 1, 1), (8, 5, 1), (8, 3, 2), (2, 3, 2)])
def test_convolution_norm_and_activation(groups: int, side: int, stride: int, activation: Activation) -> None:
    torch.manual_seed(1)
    module = Block(groups, side, stride, activation).eval()
    x = torch.randn(1, 8, 9, 7)
    normed = _array(module.block.bn(module.block.conv(x)))
    activated = _array(module(x))
    factor, offset = _norm(module.block)
    weight, weight_scales = _int8_weight(_array(module.block.conv.weight) * factor.reshape(-1, 1, 1, 1))

    of_input = Affine.of(_array(x))
    sums = _accumulate(of_input.codes(_array(x)[0]) - of_input.zero, weight, stride, groups)
    steps = of_input.scale * weight_scales
    bias = np.rint(offset / steps).astype(np.int64)  # as runtimes hold it
    values: Floats = (sums + bias.reshape(-1, 1, 1)) * steps.reshape(-1, 1, 1)
    of_output = Affine.of(activated)
    if activation != "ReLU":
        inner = Affine.of(normed)
        values = np.asarray((inner.codes(values) - inner.zero) * inner.scale, dtype=np.float64)
        values = _activate(values, activation)
    _assert_within_a_step(of_output.codes(values), _both(module, x), of_output)


def _activate(values: Floats, activation: Activation) -> Floats:
    """Hardswish as it is; SiLU with a gate of 8 bits, as runtimes have it in integers."""
    if activation == "Hardswish":
        return np.asarray(values * np.clip(values + 3, 0, 6) / 6, dtype=np.float64)
    gate = np.rint(255 / (1 + np.exp(-values))) / 255
    return np.asarray(values * gate, dtype=np.float64)


class Joined(nn.Module):
    """A sum, a product or a concatenation of two quantized maps."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(1, 1, 1)  # something with a weight, which `prepare` asks for
        self.left, self.right, self.point = QuantPoint(), QuantPoint(), QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.left(x[:, :4]), self.right(2 * x[:, 4:])
        out = {"add": a + b, "mul": a * b, "cat": torch.cat((a, b), dim=1)}[self.kind]
        joined: Tensor = self.point(out)
        return joined


@pytest.mark.parametrize("kind", ["add", "mul", "cat"])
def test_sum_product_and_concatenation(kind: str) -> None:
    torch.manual_seed(2)
    module, x = Joined(kind).eval(), torch.randn(1, 8, 6, 5)
    left, right = _array(x)[0, :4], 2 * _array(x)[0, 4:]
    affines = Affine.of(left), Affine.of(right)
    a, b = (
        (affine.codes(values) - affine.zero) * affine.scale
        for affine, values in zip(affines, (left, right), strict=True)
    )
    of_output = Affine.of(_array(module(x)))
    expected = {"add": a + b, "mul": a * b, "cat": np.concatenate((a, b))}[kind]
    _assert_within_a_step(of_output.codes(expected), _both(module, x), of_output)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    torch.manual_seed(3)
    module = nn.Sequential(QuantPoint(), nn.Linear(20, 11, bias=bias), QuantPoint()).eval()
    linear = module[1]
    assert isinstance(linear, nn.Linear)
    x = torch.randn(1, 6, 20)
    weight, weight_scales = _int8_weight(_array(linear.weight))
    of_input, of_output = Affine.of(_array(x)), Affine.of(_array(module(x)))
    sums = (of_input.codes(_array(x)[0]) - of_input.zero) @ weight.T
    values = sums * (of_input.scale * weight_scales) + (_array(linear.bias) if bias else 0.0)
    _assert_within_a_step(of_output.codes(values), _both(module, x), of_output)


@pytest.mark.parametrize("activation", ["ReLU", "SiLU", "Hardswish"])
def test_a_whole_network_computes_what_fake_quantization_did(
    build: Callable[[Activation], PoseEstimator], images: Tensor, activation: Activation
) -> None:
    network = build(activation).requires_grad_(False)
    of_float = network(images)[0]
    prepare(network)
    calibrate(network, [images])
    fake, converted = network(images), convert(network)(images)
    for a, b, name in zip(fake, converted, ("x", "y"), strict=True):
        difference = float((a - b).std() / a.std())
        assert difference < 0.1, name  # roundings flip here and there, and spread
    assert float((fake[0] - of_float).std()) > 0  # something was quantized


def test_integers_and_their_scales_are_buffers(network: PoseEstimator, images: Tensor) -> None:
    prepare(network, QuantizationSpec(weight_bits=4, float_layers=("head.cls_y",), sixteen_bit_layers=("head.mlp",)))
    calibrate(network, [images])
    before, classes = copy.deepcopy(network.state_dict()), [type(module) for module in network.modules()]
    converted = convert(network)
    assert [type(module) for module in network.modules()] == classes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert isinstance(converted, PoseEstimator)
    integers = [module for module in converted.modules() if isinstance(module, IntegerConv2d | IntegerLinear)]
    assert all(module.codes.dtype == torch.int8 and int(module.codes.abs().max()) <= 7 for module in integers)
    assert type(converted.head.cls_y) is nn.Linear
    points = [module for module in converted.modules() if isinstance(module, QuantPoint)]
    assert all(isinstance(point, IntegerPoint) for point in points)
    assert sorted({point.bits for point in points if isinstance(point, IntegerPoint)}) == [8, 16]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in converted.modules())
    assert not any(parameter.requires_grad for parameter in converted.parameters())
    assert converted(images)[0].shape == (3, 5, 128)


def test_learned_steps_are_converted(network: PoseEstimator, images: Tensor) -> None:
    prepare(network, QuantizationSpec(observer="learned"))
    calibrate(network, [images])
    quantizer = network.backbone.input_point.quantizer
    quantizer.log_scale.data.add_(0.1)  # type: ignore[union-attr, operator]
    point = convert(network).get_submodule("backbone.input_point")
    assert isinstance(point, IntegerPoint)
    assert point.scale == pytest.approx(float(quantizer.log_scale.detach().exp()))  # type: ignore[union-attr, operator]


def test_a_channel_without_weights_keeps_a_bias_that_int32_can_hold() -> None:
    torch.manual_seed(4)
    module, x = Block(1, 3, 1, "ReLU").eval(), torch.randn(1, 8, 9, 7)
    nn.init.constant_(module.block.bn.weight[:2].data, 0.0)
    module.block.bn.weight.data[1] = 1e-9
    nn.init.ones_(module.block.bn.bias)
    expected = module(x)
    fake, converted = _both(module, x)
    torch.testing.assert_close(fake[:, :2], expected[:, :2], rtol=0.01, atol=0)
    torch.testing.assert_close(converted, fake, rtol=0, atol=0.05)
    conv = convert(module).get_submodule("block.conv")
    assert isinstance(conv, IntegerConv2d)
    assert conv.bias is not None
    smallest_input_step = 2.0**-15
    assert float((conv.bias.abs() / (conv.scales * smallest_input_step)).max()) <= 2**31


@pytest.mark.parametrize("size", [1, (1, 1), 2, (None, 1)])
def test_pooling_keeps_its_size(size: int | tuple[int | None, int]) -> None:
    module = nn.Sequential(QuantPoint(), nn.AdaptiveAvgPool2d(size)).append(nn.Conv2d(8, 3, 1)).eval()
    fake, converted = _both(module, torch.randn(1, 8, 6, 4))
    torch.testing.assert_close(converted, fake, rtol=0, atol=1e-5)


def test_what_cannot_be_converted_is_named(network: PoseEstimator, images: Tensor) -> None:
    with pytest.raises(ElifPoseError, match="prepare it first"):
        convert(network)
    prepare(network)
    with pytest.raises(ElifPoseError, match="seen no data"):
        convert(network)
    calibrate(network, [images])
    network.head.cls_x.weight.data[3, 4] = float("nan")
    with pytest.raises(ElifPoseError, match=r"weight or bias of head\.cls_x is not finite"):
        convert(network)
