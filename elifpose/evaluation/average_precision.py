"""Precision and recall over scores, and COCO's ten figures of them."""

from typing import NamedTuple

from elifpose.evaluation.matching import Matches
from elifpose.evaluation.people import FloatArray, IntArray

FIGURE_NAMES = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
"""The statistics in COCO's order."""


class Curves(NamedTuple):
    """Precision and recall; −1 where nobody counts."""

    precision: FloatArray
    """``(A, T, 101)``, at the recalls 0, 0.01, … 1, never rising."""
    recall: FloatArray
    """``(A, T)``, of all detections."""


def precision_recall(matches: Matches, repeats: IntArray | None = None) -> Curves:
    """Accumulate matches to curves.

    Args:
        matches: Of a whole data set.
        repeats: ``(I,)``, how often each image counts (a bootstrap's draw); once each if None. The curves are then
            those of a data set in which images occur so often.
    """
    raise NotImplementedError


def figures(curves: Curves) -> dict[str, float]:
    """COCO's ten figures by `FIGURE_NAMES`; −1 over nobody."""
    raise NotImplementedError
