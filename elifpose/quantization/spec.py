"""What is quantized, and how."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from elifpose.utils.errors import ElifPoseError

Observer = Literal["minmax", "percentile", "learned"]
"""How the range of an activation is found."""


@dataclass(frozen=True)
class QuantizationSpec:
    """Bits, ranges and exceptions of a quantized network.

    Weights have one symmetric scale per output channel, which always follows their largest magnitude. Activations
    have one scale and zero point per tensor. What the classifiers give, the SimCC logits, stays float: at 8 bits
    neighbouring bins tie for the maximum.

    A pattern is a module's name as ``named_modules`` gives it, ``*`` and ``?`` allowed; it also means everything
    inside the module, and the points of a layer: ``head.gau``, ``backbone.stem.0``, ``backbone.stage?.*.attention``.

    Args:
        weight_bits: Bits of a weight, 2 to 8.
        activation_bits: Bits of an activation, 8 or 16.
        observer: ``minmax`` takes a batch's smallest and largest value, ``percentile`` leaves out the rarest values
            on both sides; both average over batches. ``learned`` starts from the first and learns scale and zero
            point with the weights (learned step size).
        percentile: Share of the values below a range's upper end and, likewise, above its lower end.
        momentum: Share of the old range that a further batch leaves; the first ``1 / (1 - momentum)`` batches count
            alike.
        float_layers: Patterns of the layers that stay float.
        sixteen_bit_layers: Patterns of the layers whose activations have 16 bits.

    Raises:
        ElifPoseError: An argument is out of its range.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    observer: Observer = "minmax"
    percentile: float = 0.9999
    momentum: float = 0.99
    float_layers: tuple[str, ...] = ()
    sixteen_bit_layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # JSON and YAML have lists for tuples.
        object.__setattr__(self, "float_layers", tuple(self.float_layers))
        object.__setattr__(self, "sixteen_bit_layers", tuple(self.sixteen_bit_layers))
        if not 2 <= self.weight_bits <= 8:
            raise ElifPoseError(f"quantization: weight_bits is {self.weight_bits}; give 2 to 8")
        if self.activation_bits not in (8, 16):
            raise ElifPoseError(f"quantization: activation_bits is {self.activation_bits}; give 8 or 16")
        if self.observer not in get_args(Observer):
            raise ElifPoseError(
                f"quantization: observer is {self.observer!r}; choose one of {', '.join(get_args(Observer))}"
            )
        if not 0.5 < self.percentile <= 1:
            raise ElifPoseError(f"quantization: percentile is {self.percentile}; give a share above 0.5, up to 1")
        if not 0 <= self.momentum < 1:
            raise ElifPoseError(f"quantization: momentum is {self.momentum}; give a share from 0 to below 1")

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments as numbers, strings and tuples: ``QuantizationSpec(**arguments)`` is this.

        So it is after a way through JSON, which makes lists of the tuples.
        """
        return dataclasses.asdict(self)
