"""What a keypoint's score means: the probability that the keypoint is right."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from elifpose.utils.errors import ElifPoseError


@final
@dataclass(frozen=True)
class ScoreCalibration:
    """Turns raw keypoint scores into probabilities, ``sigmoid((score − offset) / temperature)``.

    Args:
        temperature: Raw score over which the probability rises from a half to 0.73.
        offset: Raw score whose probability is a half.

    Raises:
        ElifPoseError: If the temperature is not positive, or a number is not finite.
    """

    temperature: float
    offset: float

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(self.offset)):
            raise ElifPoseError(
                f"score calibration: the temperature is {self.temperature} and the offset {self.offset}; give a "
                "positive temperature and a finite offset, or fit them again on a validation set"
            )

    def __call__(self, scores: Tensor) -> Tensor:
        """Probabilities ``(...)`` of raw scores ``(...)`` that the keypoint lies within PCK@0.1 of the truth."""
        return torch.sigmoid((scores - self.offset) / self.temperature)


def recorded_calibration(record: Mapping[str, Any]) -> ScoreCalibration | None:
    """What the record of a checkpoint or an exported file says of its scores; None if they are raw."""
    stored = record.get("calibration")
    return None if stored is None else ScoreCalibration(**stored)
