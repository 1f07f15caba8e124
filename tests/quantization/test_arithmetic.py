import math

import numpy as np
import pytest
import torch

from elifpose.quantization.arithmetic import (
    affine_parameters,
    fake_quantize,
    fake_quantize_learned,
    fake_quantize_silu,
    fake_quantize_weight,
    weight_scales,
)

X = torch.linspace(-3, 5, 4001)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 6.0), (-2.0, 0.0), (-0.1, 1000.0)])
@pytest.mark.parametrize("bits", [8, 16])
def test_codes_cover_the_range_and_zero_is_exact(low: float, high: float, bits: int) -> None:
    scale, zero_point = affine_parameters(torch.tensor(low), torch.tensor(high), bits)
    first, last = -zero_point * scale, (2**bits - 1 - zero_point) * scale
    assert abs(float(first) - low) <= scale / 2 + 1e-6
    assert abs(float(last) - high) <= scale / 2 + 1e-3
    assert fake_quantize(torch.zeros(1), scale, zero_point, bits) == 0


def test_a_range_of_zeros_gives_zeros() -> None:
    scale, zero_point = affine_parameters(torch.tensor(0.0), torch.tensor(0.0), 8)
    assert not fake_quantize(torch.tensor([0.0, 1.0, -1.0]), scale, zero_point, 8).abs().max() > 1e-20


@pytest.mark.parametrize(("scale", "zero_point"), [(0.02, 100.0), (0.013, 0.0), (0.5, 255.0)])
def test_values_and_gradients_are_pytorchs(scale: float, zero_point: float) -> None:
    ours, native = X.clone().requires_grad_(), X.clone().requires_grad_()
    out = fake_quantize(ours, torch.tensor(scale), torch.tensor(zero_point), 8)
    expected = torch.fake_quantize_per_tensor_affine(native, scale, int(zero_point), 0, 255)
    torch.testing.assert_close(out, expected, rtol=0, atol=0)
    weights = torch.randn_like(X)
    (out * weights).sum().backward()  # type: ignore[no-untyped-call]
    (expected * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, native.grad, rtol=0, atol=0)


def test_halves_round_to_even() -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    out = fake_quantize(x, torch.tensor(1.0), torch.tensor(10.0), 8)
    assert out.tolist() == [0, 2, 2, 0, -2]


def test_bfloat16_stays_and_holds_every_code_of_8_bits() -> None:
    codes = torch.arange(256)
    out = fake_quantize(((codes - 77) * 0.5).bfloat16(), torch.tensor(0.5), torch.tensor(77.0), 8)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out.float(), (codes - 77) * 0.5)


def test_16_bits_change_a_bfloat16_value_by_its_own_precision_alone() -> None:
    x = X.bfloat16().requires_grad_()
    scale, zero_point = affine_parameters(torch.tensor(-3.0), torch.tensor(5.0), 16)
    out = fake_quantize(x, scale, zero_point, 16)
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, x, rtol=2**-8, atol=float(scale))
    assert torch.equal(x.grad, torch.ones_like(x))  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_are_rounded_per_channel_to_symmetric_codes(bits: int) -> None:
    weight = torch.randn(5, 3, 2, 2) * torch.tensor([1.0, 10.0, 0.01, 0.0, 3.0]).view(5, 1, 1, 1)
    out = fake_quantize_weight(weight, bits).numpy()
    most = 2 ** (bits - 1) - 1
    for channel, of_float in zip(out, weight.numpy(), strict=True):
        step = np.abs(of_float).max() / most
        codes = channel / step if step else channel
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
        assert np.abs(codes).max() <= most + 1e-4
        np.testing.assert_allclose(channel, of_float, atol=step / 2 * 1.0001)


def test_weights_scales_follow_factors_of_a_channel() -> None:
    weight, factors = torch.randn(4, 3, 3, 3), torch.tensor([2.0, -0.5, 1e-3, 7.0]).view(4, 1, 1, 1)
    torch.testing.assert_close(
        fake_quantize_weight(weight * factors, 8), fake_quantize_weight(weight, 8) * factors, rtol=1e-5, atol=0
    )
    torch.testing.assert_close(weight_scales(weight * factors, 8), weight_scales(weight, 8) * factors.abs())


def test_gradients_pass_weights_unchanged() -> None:
    weight = torch.randn(4, 3).requires_grad_()
    gradient = torch.randn(4, 3)
    fake_quantize_weight(weight, 8).backward(gradient)  # type: ignore[no-untyped-call]
    assert torch.equal(weight.grad, gradient)  # type: ignore[arg-type]


def test_learned_steps_have_the_gradients_of_the_paper() -> None:
    x = (torch.randn(4, 50) * 3).requires_grad_()
    scale, zero_point, bits = 0.7, 5.0, 4
    log_scale = torch.tensor(math.log(scale)).requires_grad_()
    offset = torch.tensor(zero_point + 0.3).requires_grad_()  # rounds to 5
    gradient = torch.randn(4, 50)
    fake_quantize_learned(x, log_scale, offset, bits).backward(gradient)  # type: ignore[no-untyped-call]

    of_scale = of_offset = 0.0
    for value, g in zip(x.detach().flatten().tolist(), gradient.flatten().tolist(), strict=True):
        code = round(value / scale) + zero_point
        if code < 0 or code > 15:
            limit = 0 if code < 0 else 15
            of_scale += g * (limit - zero_point)
            of_offset += -scale * g
        else:
            of_scale += g * (round(value / scale) - value / scale)
    factor = 1 / math.sqrt(50 * 15)
    assert float(log_scale.grad) == pytest.approx(scale * of_scale * factor, rel=1e-4)  # type: ignore[arg-type]
    assert float(offset.grad) == pytest.approx(of_offset * factor, rel=1e-4)  # type: ignore[arg-type]


def test_learned_steps_round_as_fixed_ones_do() -> None:
    x = X.clone().requires_grad_()
    scale = torch.tensor(0.02)
    out = fake_quantize_learned(x[None], scale.log(), torch.tensor(100.0), 8)
    torch.testing.assert_close(out[0], fake_quantize(X, scale.log().exp(), torch.tensor(100.0), 8), rtol=0, atol=0)
    out.sum().backward()  # type: ignore[no-untyped-call]
    in_range = (X / 0.02).round().add(100).clamp(0, 255) == (X / 0.02).round().add(100)
    assert torch.equal(x.grad, in_range.float())  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_silu_has_a_rounded_gate_and_the_gradient_of_silu(bits: int) -> None:
    x = torch.linspace(-8, 8, 100, dtype=torch.float32, requires_grad=True)  # 0 is not among them
    out = fake_quantize_silu(x, bits)
    codes = (out / x).detach().double().numpy() * (2**bits - 1)
    np.testing.assert_allclose(codes, np.rint(codes), atol=0.02)
    np.testing.assert_allclose(codes, (2**bits - 1) / (1 + np.exp(-x.detach().double().numpy())), atol=0.52)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    (expected,) = torch.autograd.grad(torch.nn.functional.silu(x).sum(), x)
    torch.testing.assert_close(gradient, expected)
