"""How many layers need 16 bits so that the integer network's AP stays near the float one's."""

import copy
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch

from elifpose.models import PoseEstimator
from elifpose.quantization import LayerError, convert, set_quantizing
from elifpose.quantization.layers import FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.names import quantizable_layers
from elifpose.quantization.quantizers import LearnedStep
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.validation_part import ValidationPart

COUNTS = (0, 1, 2, 4, 8)
"""How many of the worst layers are tried at 16 bits, one number after the other."""


class Trial(NamedTuple):
    """The integer network with some more layers at 16 bits."""

    layers: tuple[str, ...]
    """Those layers, worst first."""
    average_precision: float


class BudgetSearch(NamedTuple):
    """What 16 bits in the worst layers bring."""

    budget: float
    """Loss of AP that is allowed."""
    people: int
    """How many AP was measured on."""
    float_ap: float
    """AP of the same weights without quantization."""
    trials: tuple[Trial, ...]
    """In the order tried; the last is within the budget, or the search gave up after it."""

    @property
    def proposal(self) -> tuple[str, ...] | None:
        """The fewest layers that were enough; None if the most that were tried are not."""
        last = self.trials[-1]
        return last.layers if self.loss(last) <= self.budget else None

    def loss(self, trial: Trial) -> float:
        """How much lower AP is than in float."""
        return self.float_ap - trial.average_precision


def search_budget(
    network: PoseEstimator,
    errors: Sequence[LayerError],
    part: ValidationPart,
    module: EvaluatingModule,
    budget: float,
) -> BudgetSearch:
    """Measure the integer network, with more and more of the worst layers at 16 bits, until its AP is near enough.

    Args:
        network: Prepared and calibrated; left as it is.
        errors: Its layers, worst first.
        part: Whom AP is measured on.
        module: How AP is measured.
        budget: Loss of AP that is allowed.
    """
    candidate = copy.deepcopy(network).eval()
    set_quantizing(candidate, False)
    float_ap = part.average_precision(candidate, module)
    set_quantizing(candidate, True)
    points = _eight_bit_points(candidate)
    worst = [error.name for error in errors if error.name in points]
    trials: list[Trial] = []
    for count in sorted({min(count, len(worst)) for count in COUNTS}):
        for name in worst[:count]:
            _widen(points.pop(name, ()))
        integer = cast("PoseEstimator", convert(candidate))
        trials.append(Trial(tuple(worst[:count]), part.average_precision(integer, module)))
        if float_ap - trials[-1].average_precision <= budget:
            break
    return BudgetSearch(budget, len(part), float_ap, tuple(trials))


def _eight_bit_points(network: PoseEstimator) -> dict[str, list[FakeQuantPoint | FakeQuantSiLU]]:
    """The points and SiLUs of each layer that has 8 bits."""
    modules = dict(network.named_modules())
    points = {
        layer: [
            point
            for member in members
            if (isinstance(point := modules[member], FakeQuantPoint) and point.quantizer.bits == 8)
            or (isinstance(point, FakeQuantSiLU) and point.bits == 8)
        ]
        for layer, members in quantizable_layers(network).items()
    }
    return {layer: of_layer for layer, of_layer in points.items() if of_layer}


@torch.no_grad()
def _widen(points: Iterable[FakeQuantPoint | FakeQuantSiLU]) -> None:
    """Give points 16 bits over the range that they have: 65535 steps for 255, 257 for each."""
    for point in points:
        if isinstance(point, FakeQuantSiLU):
            point.bits = 16
            continue
        quantizer = point.quantizer
        quantizer.bits = 16
        if isinstance(quantizer, LearnedStep):
            quantizer.log_scale.sub_(math.log(257))
            quantizer.zero_point.round_().clamp_(0, 255).mul_(257)
