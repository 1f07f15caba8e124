"""The arithmetic of quantization on tensors: scales of ranges, and fake quantization with its gradients.

Written with PyTorch's elementwise functions: its own fake-quantization kernels take 10 to 20 times as long on a CPU.
Values round half to even, after multiplication by the reciprocal of the scale.
"""

from typing import Any

import torch
from torch import Tensor

SMALLEST_SCALE = 2.0**-100
"""What a tensor of zeros gets for a scale: far below any scale of use, and its reciprocal is finite."""


def affine_parameters(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point with which the codes 0 to ``2^bits − 1`` cover a range that contains 0.

    Args:
        low: ``()`` float, at most 0.
        high: ``()`` float, at least 0.
        bits: Bits of a code.

    Returns:
        Scale and zero point, ``()`` float, the second whole: code ``q`` means ``(q − zero_point) · scale``.
    """
    codes = 2**bits - 1
    scale = ((high - low) / codes).clamp(min=SMALLEST_SCALE)
    return scale, (-low / scale).round().clamp(0, codes)


def weight_scales(weight: Tensor, bits: int) -> Tensor:
    """For each output channel, the first axis, the scale whose codes −(2^(bits−1) − 1) … reach its largest weight.

    Args:
        weight: ``(C, ...)`` float.
        bits: Bits of a code, sign included.

    Returns:
        ``(C, 1, ...)``, as many axes as the weight.
    """
    largest = torch.linalg.vector_norm(
        weight.detach(), ord=torch.inf, dim=tuple(range(1, weight.dim())), keepdim=True
    )
    scales: Tensor = (largest / (2 ** (bits - 1) - 1)).clamp(min=SMALLEST_SCALE)
    return scales


def fake_quantize_weight(weight: Tensor, bits: int) -> Tensor:
    """A weight ``(C, ...)`` rounded to the codes of :func:`weight_scales`; gradients pass as they are.

    Scales per channel make this commute with the factors of a batch normalisation that follows: quantizing the
    weight with these factors multiplied in gives the same codes, up to the sign of the factor.
    """
    out: Tensor = _FakeQuantizeWeight.apply(weight, bits)  # type: ignore[no-untyped-call]
    return out


def fake_quantize(x: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """Values rounded to the nearest of the codes' meanings; gradients pass where a value was in range.

    Args:
        x: ``(...)`` of any floating type. bfloat16 holds codes of 8 bits, but not of 16: these are computed in
            float32.
        scale: ``()`` float.
        zero_point: ``()`` float, whole.
        bits: Bits of a code.

    Returns:
        ``(...)`` of the same type.
    """
    out: Tensor = _FakeQuantize.apply(x, scale, zero_point, bits)  # type: ignore[no-untyped-call]
    return out


def fake_quantize_learned(x: Tensor, log_scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """As :func:`fake_quantize`, with gradients for scale and zero point too (LSQ, Esser et al., arXiv 1902.08153).

    The gradient of the scale is that of the paper, Σ g · (x̂ − x) / s in range and Σ g · (q − z) outside, and of the
    zero point −s · Σ g outside (LSQ+, Bhalgat et al., arXiv 2004.09576). Both are divided by √(F · (2^bits − 1)) for
    F numbers per sample. The scale is learned by its logarithm, so that an Adam step changes it by a share of itself.

    Args:
        x: ``(N, ...)`` of any floating type.
        log_scale: ``()``, natural logarithm of the scale.
        zero_point: ``()``; rounded and held within the codes.
        bits: Bits of a code.

    Returns:
        ``(N, ...)`` of the type of ``x``.
    """
    out: Tensor = _FakeQuantizeLearned.apply(x, log_scale, zero_point, bits)  # type: ignore[no-untyped-call]
    return out


def fake_quantize_silu(x: Tensor, bits: int) -> Tensor:
    """SiLU, the product of a value and its sigmoid, with the sigmoid rounded to codes; gradients are those of SiLU.

    Args:
        x: ``(...)`` of any floating type; for 16 bits the sigmoid is computed in float32.
        bits: Bits of a code; the codes 0 to ``2^bits − 1`` stand for 0 to 1.

    Returns:
        ``(...)`` of the same type.
    """
    out: Tensor = _FakeQuantizeSiLU.apply(x, bits)  # type: ignore[no-untyped-call]
    return out


def _code(x: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """The codes of ``x`` before they are limited to ``bits``: whole numbers, in a type that holds them."""
    wide = x.float() if bits > 8 else x
    return (wide * scale.reciprocal()).round_().add_(zero_point)


def _meaning(codes: Tensor, scale: Tensor, zero_point: Tensor, bits: int, dtype: torch.dtype) -> Tensor:
    """What the codes stand for once they are limited to ``bits``."""
    return codes.clamp(0, 2**bits - 1).sub_(zero_point).mul_(scale).to(dtype)


def _where_in_range(gradient: Tensor, codes: Tensor, bits: int) -> Tensor:
    """The gradient where the codes fit ``bits``, 0 elsewhere.

    The backward pass of a clamp by numbers, as PyTorch's hardtanh has it, is many times as fast as a boolean mask.
    """
    passed: Tensor = torch.ops.aten.hardtanh_backward(gradient.to(codes.dtype), codes, -0.5, 2**bits - 0.5)
    return passed.to(gradient.dtype)


class _FakeQuantizeWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bits: int) -> Tensor:  # noqa: ARG004  # autograd passes it
        scales = weight_scales(weight, bits)
        return (weight * scales.reciprocal()).round_().mul_(scales)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradient, None


class _FakeQuantizeSiLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x)
        codes = 2**bits - 1
        gate = (x.float() if bits > 8 else x).sigmoid().mul_(codes).round_().mul_(1 / codes)
        return gate.to(x.dtype).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.silu_backward(gradient, x)
        return passed, None


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
        codes = _code(x, scale, zero_point, bits)
        ctx.save_for_backward(codes)
        ctx.bits = bits
        return _meaning(codes, scale, zero_point, bits, x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (codes,) = ctx.saved_tensors
        return _where_in_range(gradient, codes, ctx.bits), None, None, None


class _FakeQuantizeLearned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, log_scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
        scale, zero_point = log_scale.exp(), zero_point.round().clamp(0, 2**bits - 1)
        codes = _code(x, scale, zero_point, bits)
        out = _meaning(codes, scale, zero_point, bits, x.dtype)
        ctx.save_for_backward(x, codes, out, scale)
        ctx.bits = bits
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, codes, out, scale = ctx.saved_tensors
        passed = _where_in_range(gradient, codes, ctx.bits)
        factor = (x[0].numel() * (2**ctx.bits - 1)) ** -0.5
        # Element by element before the sum: the difference of two sums would cancel.
        of_log_scale = torch.addcmul(gradient * out, passed, x, value=-1).sum(dtype=torch.float32)
        of_zero_point = (passed - gradient).sum(dtype=torch.float32) * scale
        return passed, of_log_scale * factor, of_zero_point * factor, None
