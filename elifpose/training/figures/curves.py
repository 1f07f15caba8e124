"""Curves over a whole data set: precision over recall, and what scores promise against what they keep."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.evaluation.average_precision import Curves
from elifpose.evaluation.calibration import CORRECT_WITHIN, reliability
from elifpose.evaluation.matching import AREAS, OKS_THRESHOLDS
from elifpose.evaluation.people import BoolArray, FloatArray
from elifpose.utils.drawing import GREY, MIDDLE, new_figure

_SHOWN = (0.5, 0.75, 0.9)
_GROUPS = 10
_SIDE = 5.5  # inches


def precision_recall_figure(curves: Curves) -> Figure:
    """Precision over recall of all people at OKS 0.5, 0.75 and 0.9, each with its average precision.

    Args:
        curves: Of a set in which somebody is annotated.
    """
    figure = new_figure(1.2 * _SIDE, _SIDE)
    axis = figure.subplots()
    recalls = np.linspace(0, 1, curves.precision.shape[-1])
    for threshold in _SHOWN:
        position = int(np.abs(OKS_THRESHOLDS - threshold).argmin())
        precision = curves.precision[list(AREAS).index("all"), position]
        axis.plot(recalls, precision, label=f"OKS {threshold:g}: AP {precision.mean():.3f}")
    axis.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="recall", ylabel="precision", title="Precision over recall")
    axis.grid(alpha=0.3)
    axis.legend(loc="best")
    return figure


def reliability_figure(scores: FloatArray, correct: BoolArray, calibration: ScoreCalibration | None) -> Figure:
    """What keypoint scores promise against the share of keypoints that are right.

    Calibrated scores are probabilities, and should lie on the diagonal. Without a calibration the raw scores are
    shown in tenths of equal number: the share should rise with them.

    Args:
        scores: ``(M,)``, raw; those that are not finite are left out, and one must remain.
        correct: ``(M,)``, whether each keypoint lies within PCK@0.1.
        calibration: What the scores mean, if known.
    """
    figure = new_figure(1.2 * _SIDE, _SIDE)
    axis = figure.subplots()
    finite = np.isfinite(scores)
    scores, correct = scores[finite], correct[finite]
    if calibration is None:
        _draw_tenths(axis, scores, correct)
    else:
        _draw_reliability(axis, calibration(torch.from_numpy(scores)).numpy(), correct)
    axis.set(ylim=(0, 1.03), ylabel=f"share of keypoints within PCK@{CORRECT_WITHIN:g}")
    axis.grid(alpha=0.3)
    return figure


def _draw_reliability(axis: Axes, probabilities: FloatArray, correct: BoolArray) -> None:
    found = reliability(probabilities, correct, bins=_GROUPS)
    filled = found.counts > 0
    counts = found.counts / found.counts.sum()
    axis.bar(
        np.arange(_GROUPS) / _GROUPS,
        counts,
        1 / _GROUPS,
        align="edge",
        color=GREY,
        alpha=0.35,
        label="share of scores",
    )
    axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="as promised")
    measured = found.predicted[filled], found.observed[filled]
    axis.plot(*measured, color=MIDDLE, linewidth=1, label="as measured (size: how many)")
    axis.scatter(*measured, s=10 + 250 * counts[filled], color=MIDDLE, zorder=3)
    axis.set(xlim=(0, 1), xlabel="calibrated keypoint score: probability of being right")
    axis.set_title(f"Reliability of keypoint scores: expected calibration error {found.error:.3f}")
    axis.legend(loc="upper left")


def _draw_tenths(axis: Axes, scores: FloatArray, correct: BoolArray) -> None:
    order = np.argsort(scores, kind="stable")
    groups = np.array_split(order, min(_GROUPS, len(order)))
    axis.plot(
        [scores[group].mean() for group in groups], [correct[group].mean() for group in groups], "o-", color=MIDDLE
    )
    axis.set_xlabel("raw keypoint score, mean of each tenth of the keypoints")
    axis.set_title("Keypoint scores, not calibrated: right ones should score higher")
