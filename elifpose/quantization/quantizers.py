"""What a quantization point holds: the range of an activation, watched or learned."""

import math

import torch
from torch import Tensor, nn

from elifpose.quantization.arithmetic import affine_parameters, fake_quantize, fake_quantize_learned
from elifpose.quantization.spec import QuantizationSpec

SUBSAMPLE = 65536
"""Values of a tensor from which a percentile is taken, at most."""


class MovingRange(nn.Module):
    """Fake quantization over the moving average of the range that an activation has in a batch.

    Ranges contain 0, so that padding and rectified values stay exact. What it has learned is in buffers, and what it
    is to do in plain attributes: ``observing`` (in training mode only) and ``quantizing``.

    Args:
        bits: Bits of a code.
        spec: The observer's kind, percentile and momentum.
    """

    low: Tensor
    high: Tensor
    batches: Tensor

    def __init__(self, bits: int, spec: QuantizationSpec) -> None:
        super().__init__()
        self.bits = bits
        self.share = spec.percentile if spec.observer == "percentile" else 1.0
        self.momentum = spec.momentum
        self.observing = True
        self.quantizing = True
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Observe and fake-quantize ``(...)``, as far as either is on."""
        if self.observing and self.training:
            self.observe(x.detach())
        return self.quantize(x) if self.quantizing else x

    def scale_and_zero_point(self) -> tuple[Tensor, Tensor]:
        """Both ``()`` float, the second whole."""
        return affine_parameters(self.low, self.high, self.bits)

    def quantize(self, x: Tensor) -> Tensor:
        """Fake-quantize ``(...)``."""
        return fake_quantize(x, *self.scale_and_zero_point(), self.bits)

    def forget(self) -> None:
        """Start the range anew."""
        for value in (self.low, self.high, self.batches):
            value.zero_()

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Move the range towards that of a batch ``(...)``."""
        low, high = batch_range(x, self.share)
        self.batches.add_(1)
        weight = self.batches.reciprocal().clamp(min=1 - self.momentum)
        self.low.lerp_(low.to(self.low.dtype), weight)
        self.high.lerp_(high.to(self.high.dtype), weight)


class LearnedStep(MovingRange):
    """Fake quantization whose scale and zero point are parameters, learned with the weights.

    They start from the range that was observed in calibration, and observing again starts them anew.

    Args:
        bits: Bits of a code.
        spec: The observer's momentum.
    """

    def __init__(self, bits: int, spec: QuantizationSpec) -> None:
        super().__init__(bits, spec)
        self.observing = False
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.zero_point = nn.Parameter(torch.zeros(()))

    def scale_and_zero_point(self) -> tuple[Tensor, Tensor]:
        """Both ``()`` float, the second whole."""
        return self.log_scale.detach().exp(), self.zero_point.detach().round().clamp(0, 2**self.bits - 1)

    def quantize(self, x: Tensor) -> Tensor:
        """Fake-quantize ``(N, ...)``."""
        return fake_quantize_learned(x, self.log_scale, self.zero_point, self.bits)

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Move the range towards that of a batch ``(N, ...)`` and start from it."""
        super().observe(x)
        scale, zero_point = affine_parameters(self.low, self.high, self.bits)
        self.log_scale.copy_(scale.log())
        self.zero_point.copy_(zero_point)


def batch_range(x: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """The range of a tensor, widened to contain 0.

    Args:
        x: ``(...)`` float.
        share: Share of the values below the upper end and, likewise, above the lower one. Below 1 it is taken from
            at most :data:`SUBSAMPLE` values, evenly spread.

    Returns:
        Lower and upper end, ``()``; NaN where the tensor has NaN, of which a percentile may leave out a few.
    """
    if share < 1:
        low, high = _percentiles(evenly_spread(x, SUBSAMPLE), share)
    else:
        low, high = x.amin(), x.amax()
    return low.clamp(max=0), high.clamp(min=0)


def evenly_spread(x: Tensor, most: int) -> Tensor:
    """At most so many values of a tensor, of all places and channels alike: ``(M,)``."""
    values = x.movedim(1, -1) if x.dim() == 4 else x  # maps in channels-last memory are not copied by this
    stride = -(-x.numel() // most)
    while math.gcd(stride, x.numel()) > 1:  # a stride that divides an axis would always meet the same channels
        stride += 1
    return values.flatten()[::stride]


def _percentiles(values: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The quantiles ``1 − share`` and ``share`` of ``(M,)``, interpolated as ``torch.quantile`` does, but faster."""
    from_end = (1 - share) * (len(values) - 1)
    kept = min(int(from_end) + 2, len(values))
    ends = []
    for largest in (False, True):
        extremes = values.float().topk(kept, largest=largest).values
        ends.append(torch.lerp(extremes[max(kept - 2, 0)], extremes[-1], from_end % 1))
    return ends[0], ends[1]
