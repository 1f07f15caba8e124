"""Layers of a network with fake quantization. Float layers become these by a change of their class.

They keep every parameter and attribute of the layer that they were. A batch normalisation that follows a convolution
stays as it is, in training too: with one scale per channel, quantizing the convolution's weight and quantizing it
with the norm's factors multiplied in are the same.
"""

from torch import Tensor, nn

from elifpose.models.layers import QuantPoint
from elifpose.quantization.arithmetic import fake_quantize_silu, fake_quantize_weight
from elifpose.quantization.quantizers import MovingRange


class FakeQuantConv2d(nn.Conv2d):
    """A convolution with fake-quantized weight."""

    weight_bits: int
    quantizing: bool

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Conv2d``."""
        weight = fake_quantize_weight(self.weight, self.weight_bits) if self.quantizing else self.weight
        out: Tensor = self._conv_forward(x, weight, self.bias)
        return out


class FakeQuantLinear(nn.Linear):
    """A linear layer with fake-quantized weight."""

    weight_bits: int
    quantizing: bool

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Linear``."""
        weight = fake_quantize_weight(self.weight, self.weight_bits) if self.quantizing else self.weight
        return nn.functional.linear(x, weight, self.bias)


class FakeQuantSiLU(nn.SiLU):
    """SiLU whose gate, the sigmoid, has few bits: runtimes have such a product in integers."""

    bits: int
    quantizing: bool

    def forward(self, x: Tensor) -> Tensor:
        """Of ``(...)``."""
        return fake_quantize_silu(x, self.bits) if self.quantizing else nn.functional.silu(x)


class FakeQuantPoint(QuantPoint):
    """A point whose tensor is fake-quantized."""

    quantizer: MovingRange

    def forward(self, x: Tensor) -> Tensor:
        """Fake-quantize ``(...)``."""
        out: Tensor = self.quantizer(x)
        return out
