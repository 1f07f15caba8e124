"""Fitting what keypoint scores mean, and looking at how well they mean it."""

from typing import NamedTuple

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.evaluation.people import BoolArray, FloatArray, IntArray

CORRECT_WITHIN = 0.1
"""Share of the box's larger side within which a keypoint is right: PCK@0.1."""


def fit_calibration(scores: FloatArray, correct: BoolArray) -> ScoreCalibration | None:
    """The calibration under which the outcomes are likeliest (Platt's logistic fit).

    Args:
        scores: ``(M,)``, raw scores of labelled keypoints.
        correct: ``(M,)``, whether each lies within PCK@0.1.

    Returns:
        None if there is nothing to fit: too few keypoints, all right or all wrong, or scores that do not tell.
    """
    raise NotImplementedError


class Reliability(NamedTuple):
    """Predicted probabilities against what came true, in bins of equal width over 0 to 1."""

    predicted: FloatArray
    """``(B,)``, mean in each bin; NaN in an empty one."""
    observed: FloatArray
    """``(B,)``, share that was right."""
    counts: IntArray
    """``(B,)``."""
    error: float
    """Expected calibration error: mean of |predicted − observed| over all keypoints."""


def reliability(probabilities: FloatArray, correct: BoolArray, bins: int = 10) -> Reliability:
    """Of ``(M,)`` probabilities and outcomes."""
    raise NotImplementedError
