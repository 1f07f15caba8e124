"""From a prepared network to one that holds integers: 8-bit weights, and quantized and dequantized activations.

It computes what fake quantization computed, in PyTorch's ``quantized_decomposed`` functions, which exporters turn
into the quantize and dequantize nodes of their formats.
"""

import copy
from importlib import import_module
from typing import cast

import torch
from torch import Tensor, nn

from elifpose.models.layers import ConvBNAct, QuantPoint
from elifpose.quantization.arithmetic import weight_scales
from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.phases import check_ranges
from elifpose.quantization.swap import SPEC_ATTRIBUTE, require_prepared
from elifpose.utils.errors import ElifPoseError

_CODE_TYPES = {8: torch.uint8, 16: torch.uint16}
_BIAS_HEADROOM = 2.0**-16


class IntegerConv2d(nn.Conv2d):
    """A convolution whose weight is int8 with one scale per output channel."""

    codes: Tensor
    scales: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Conv2d``."""
        out: Tensor = self._conv_forward(x, dequantize_weight(self.codes, self.scales, axis=0), self.bias)
        return out


class IntegerLinear(nn.Linear):
    """A linear layer whose weight is int8 with one scale per output channel, stored ``(in, out)``."""

    codes: Tensor
    scales: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Linear``; a product of matrices, which runtimes have in integers."""
        out = torch.matmul(x, dequantize_weight(self.codes, self.scales, axis=1))
        return out if self.bias is None else out + self.bias


class IntegerPoint(QuantPoint):
    """A point whose tensor is quantized to unsigned integers and dequantized.

    Args:
        scale: Value of one step.
        zero_point: The code of 0.
        bits: 8 or 16.
    """

    def __init__(self, scale: float, zero_point: int, bits: int) -> None:
        super().__init__()
        self.scale = scale
        self.zero_point = zero_point
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """Round ``(...)`` to what the codes stand for."""
        how = (self.scale, self.zero_point, 0, 2**self.bits - 1, _CODE_TYPES[self.bits])
        ops = torch.ops.quantized_decomposed
        out: Tensor = ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *how), *how)
        return out


class IntegerSiLU(nn.Module):
    """SiLU as a product with a gate of unsigned integers.

    Args:
        bits: 8 or 16, of the gate.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.gate_point = IntegerPoint(1 / (2**bits - 1), 0, bits)

    def forward(self, x: Tensor) -> Tensor:
        """Of ``(...)``."""
        out: Tensor = x * self.gate_point(x.sigmoid())
        return out


class MeanOfMap(nn.Module):
    """The mean over a map as a pooling, which runtimes have in integers."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, 1, 1)``."""
        return nn.functional.avg_pool2d(x, (x.shape[2], x.shape[3]))


def convert(network: nn.Module) -> nn.Module:
    """A copy of a prepared network, for evaluation and export, with integer weights and activations.

    Norms become part of the convolutions before them. The network given is left as it is.

    Args:
        network: Prepared, and calibrated or trained since.

    Returns:
        A network of the same class in evaluation mode, float32, without gradients.

    Raises:
        ElifPoseError: The network is not prepared, a range was never observed, or a number in it is not finite.
    """
    import_module("torch.ao.quantization.fx._decomposed")  # registers the functions
    require_prepared(network)
    check_ranges(network)
    converted = copy.deepcopy(network).float().eval().requires_grad_(False)
    delattr(converted, SPEC_ATTRIBUTE)
    for name, module in list(converted.named_modules()):
        if isinstance(module, ConvBNAct) and isinstance(module.conv, FakeQuantConv2d):
            _fold(module)
        if isinstance(module, FakeQuantPoint):
            scale, zero_point = module.quantizer.scale_and_zero_point()
            point = IntegerPoint(float(scale), int(zero_point), module.quantizer.bits)
            converted.set_submodule(name, point.eval())
        elif isinstance(module, FakeQuantSiLU):
            converted.set_submodule(name, IntegerSiLU(module.bits).eval())
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            converted.set_submodule(name, MeanOfMap().eval())
    for name, module in converted.named_modules():
        if isinstance(module, FakeQuantConv2d | FakeQuantLinear):
            _to_integers(name, module)
    return converted


def dequantize_weight(codes: Tensor, scales: Tensor, axis: int) -> Tensor:
    """A weight ``(...)`` float32 from int8 codes and scales ``(C,)`` along ``axis``."""
    weight: Tensor = torch.ops.quantized_decomposed.dequantize_per_channel(
        codes, scales, None, axis, -127, 127, torch.int8
    )
    return weight


def _fold(block: ConvBNAct) -> None:
    """Multiply a norm's factors into the convolution before it, and move its offsets to the convolution's bias."""
    bn = block.bn
    mean, variance = cast("Tensor", bn.running_mean), cast("Tensor", bn.running_var)
    factor = bn.weight / torch.sqrt(variance + bn.eps)
    block.conv.weight.mul_(factor.view(-1, 1, 1, 1))
    block.conv.bias = nn.Parameter(bn.bias - mean * factor, requires_grad=False)
    block.set_submodule("bn", nn.Identity())


def _to_integers(name: str, layer: FakeQuantConv2d | FakeQuantLinear) -> None:
    """Replace a layer's weight by integers.

    Runtimes hold a bias as int32 in steps of the input's scale times the weight's. In a channel whose weights are all
    but 0 that step would be too fine for the bias to fit, so there the weight's scale is made larger.
    """
    scales = weight_scales(layer.weight, layer.weight_bits)
    if layer.bias is not None:
        scales = torch.maximum(scales, layer.bias.abs().view(scales.shape) * _BIAS_HEADROOM)
    if not torch.isfinite(scales).all():
        raise ElifPoseError(
            f"quantization: weight or bias of {name} is not finite; use a checkpoint from before it was so"
        )
    codes = (layer.weight * scales.reciprocal()).round_().to(torch.int8)
    del layer.weight, layer.quantizing, layer.weight_bits
    is_conv = isinstance(layer, FakeQuantConv2d)
    layer.register_buffer("codes", codes if is_conv else codes.t().contiguous())
    layer.register_buffer("scales", scales.flatten())
    new_class: type[nn.Module] = IntegerConv2d if is_conv else IntegerLinear
    layer.__class__ = new_class  # type: ignore[assignment]  # the point of it
