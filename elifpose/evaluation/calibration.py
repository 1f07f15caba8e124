"""Fitting what keypoint scores mean, and looking at how well they mean it."""

from typing import NamedTuple

import numpy as np

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.evaluation.people import BoolArray, FloatArray, IntArray

CORRECT_WITHIN = 0.1
"""Share of the box's larger side within which a keypoint is right: PCK@0.1."""

_FEWEST = 10  # right and wrong keypoints: with fewer, two numbers cannot be told from them
_STEPS = 50  # Newton takes about 8; where scores separate right from wrong, about 20
_ROUNDING = 1e-12
_TOLERANCE = 1e-9  # of the gradient per keypoint, in units of the standardised scores


def fit_calibration(scores: FloatArray, correct: BoolArray) -> ScoreCalibration | None:
    """The calibration under which the outcomes are likeliest (Platt's logistic fit).

    Newton's method on the logistic likelihood of Platt, "Probabilistic outputs for support vector machines", 1999: of
    m right keypoints each counts as right with (m + 1) / (m + 2), of n wrong ones with 1 / (n + 2), which keeps
    the fit finite where scores separate them without error.

    Args:
        scores: ``(M,)``, raw scores of labelled keypoints; those that are not finite are left out.
        correct: ``(M,)``, whether each lies within PCK@0.1.

    Returns:
        None if there is nothing to fit: fewer than 10 keypoints right or wrong, or scores that do not tell, because
        they are all alike or no higher where keypoints are right.
    """
    finite = np.isfinite(scores)
    values, right = np.asarray(scores[finite], dtype=np.float64), correct[finite]
    num_right = int(right.sum())
    num_wrong = len(right) - num_right
    if min(num_right, num_wrong) < _FEWEST or np.ptp(values) == 0:
        return None
    center, spread = float(values.mean()), float(values.std())
    targets = np.where(right, (num_right + 1) / (num_right + 2), 1 / (num_wrong + 2))
    slope, intercept = _logistic_fit((values - center) / spread, targets)
    return ScoreCalibration(spread / slope, center - spread * intercept / slope) if slope > 0 else None


def _logistic_fit(values: FloatArray, targets: FloatArray) -> tuple[float, float]:
    """Slope and intercept for which sigmoid(slope · value + intercept) has the least cross-entropy to the targets."""
    M = len(values)
    parameters, step, loss = np.zeros(2), np.zeros(2), np.inf
    for _ in range(_STEPS):
        logits = parameters[0] * values + parameters[1]
        new = float(np.logaddexp(0.0, logits).mean() - targets @ logits / M)
        if new > loss + _ROUNDING:
            step /= 2.0  # too far: Newton's step is right in direction, not always in length
            parameters = parameters - step
            continue
        loss = new
        probabilities = 0.5 + 0.5 * np.tanh(0.5 * logits)
        errors, weights = probabilities - targets, probabilities * (1.0 - probabilities)
        gradient = np.array([errors @ values, errors.sum()]) / M
        if np.abs(gradient).max() < _TOLERANCE:
            break
        cross = weights @ values
        hessian = np.array([[weights @ np.square(values), cross], [cross, weights.sum()]]) / M
        step = -np.asarray(np.linalg.solve(hessian + _ROUNDING * np.eye(2), gradient), dtype=np.float64)
        parameters = parameters + step
    return float(parameters[0]), float(parameters[1])


class Reliability(NamedTuple):
    """Predicted probabilities against what came true, in bins of equal width over 0 to 1."""

    predicted: FloatArray
    """``(B,)``, mean in each bin; NaN in an empty one."""
    observed: FloatArray
    """``(B,)``, share that was right; NaN in an empty one."""
    counts: IntArray
    """``(B,)``."""
    error: float
    """Expected calibration error: mean of |predicted − observed| of the bins over all keypoints; −1 without any."""


def reliability(probabilities: FloatArray, correct: BoolArray, bins: int = 10) -> Reliability:
    """Compare probabilities with outcomes.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017.

    Args:
        probabilities: ``(M,)``, from 0 to 1; those that are not finite are left out.
        correct: ``(M,)``, what came true.
        bins: How many; a probability on the edge of two belongs to the upper one.

    >>> two = reliability(np.array([0.25, 0.75, 1.0]), np.array([False, True, True]), bins=2)
    >>> two.predicted.tolist(), two.observed.tolist(), two.counts.tolist()
    ([0.25, 0.875], [0.0, 1.0], [1, 2])
    """
    finite = np.isfinite(probabilities)
    said, came_true = np.asarray(probabilities[finite]), np.asarray(correct[finite])
    bin_of = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    predicted, observed = (
        np.where(counts > 0, np.bincount(bin_of, weights, bins) / np.maximum(counts, 1), np.nan)
        for weights in (said, came_true)
    )
    error = float(np.nansum(np.abs(predicted - observed) * counts) / len(said)) if len(said) else -1.0
    return Reliability(predicted, observed, counts, error)
