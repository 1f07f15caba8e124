"""Precision and recall over scores, and COCO's ten figures of them."""

from typing import NamedTuple

import numpy as np

from elifpose.evaluation.matching import AREAS, OKS_THRESHOLDS, Matches
from elifpose.evaluation.people import BoolArray, FloatArray, IntArray

FIGURE_NAMES = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
"""The statistics in COCO's order."""
RECALLS: FloatArray = np.linspace(0.0, 1.0, 101)
"""Where precision is read."""

_EPSILON = float(np.spacing(1.0))
_VALUES_AT_ONCE = 2**18  # of draws × detections: bounds the memory


class Curves(NamedTuple):
    """Precision and recall; −1 where nobody counts."""

    precision: FloatArray
    """``(A, T, 101)``, at the recalls 0, 0.01, … 1, never rising."""
    recall: FloatArray
    """``(A, T)``, of all detections."""


def precision_recall(matches: Matches, repeats: IntArray | None = None) -> Curves:
    """Accumulate matches to curves.

    At a recall stands the highest precision that is reached there or at any higher recall, 0 beyond the highest.

    Args:
        matches: Of a whole data set.
        repeats: ``(I,)``, how often each image counts (a bootstrap's draw); once each if None. The curves are then
            those of a data set in which images occur so often; of detections with equal scores in one image, all
            copies of the first come before the second.
    """
    repeats = np.ones(matches.num_people.shape[1], dtype=np.int64) if repeats is None else repeats
    weights, people = repeats[matches.images][None], matches.num_people @ repeats
    precision, recall = np.empty((*matches.persons.shape[:2], len(RECALLS))), np.empty(matches.persons.shape[:2])
    for area, threshold in np.ndindex(recall.shape):
        found = matches.persons[area, threshold] >= 0
        counts = ~matches.ignored[area, threshold]
        curve = _curves(weights, found & counts, counts, people[area : area + 1])
        precision[area, threshold], recall[area, threshold] = curve[0][0], curve[1][0]
    return Curves(precision, recall)


def average_precisions(matches: Matches, repeats: IntArray) -> FloatArray:
    """AP, persons of all areas, over many draws of images.

    Args:
        matches: Of a whole data set.
        repeats: ``(B, I)``, how often each image counts in each draw, as in `precision_recall`.

    Returns:
        ``(B,)``; −1 in a draw without people.
    """
    area = list(AREAS).index("all")
    at_once = max(1, _VALUES_AT_ONCE // max(1, len(matches.images)))
    found, counts = matches.persons[area] >= 0, ~matches.ignored[area]
    values = np.empty((len(repeats), len(OKS_THRESHOLDS)))
    for start in range(0, len(repeats), at_once):
        draws = slice(start, start + at_once)
        weights, people = repeats[draws][:, matches.images], repeats[draws] @ matches.num_people[area]
        for threshold in range(len(OKS_THRESHOLDS)):
            right = found[threshold] & counts[threshold]
            values[draws, threshold] = _curves(weights, right, counts[threshold], people)[0].mean(axis=-1)
    return np.asarray(values.mean(axis=-1))


def figures(curves: Curves) -> dict[str, float]:
    """COCO's ten figures by `FIGURE_NAMES`; −1 over nobody."""
    half, three_quarters = 0, 5
    values: list[float] = []
    for of_areas in curves:
        every, medium, large = (of_areas[list(AREAS).index(name)] for name in ("all", "M", "L"))
        values += [float(part.mean()) for part in (every, every[half], every[three_quarters], medium, large)]
    return dict(zip(FIGURE_NAMES, values, strict=True))


def _curves(
    weights: IntArray, right: BoolArray, counts: BoolArray, people: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Precision ``(B, 101)`` and recall ``(B,)`` of ``B`` draws; −1 where nobody counts.

    Precision falls between right detections, so that it is looked at only there.

    Args:
        weights: ``(B, M)``, how often each detection occurs, by decreasing score.
        right: ``(M,)``, whether it found a person who counts.
        counts: ``(M,)``, whether it is right or wrong.
        people: ``(B,)``, how many people count.
    """
    hits = np.cumsum(weights[:, right], axis=1).astype(np.float64)
    tried = np.cumsum(weights[:, counts], axis=1)[:, right[counts]]
    precision = np.maximum.accumulate((hits / (tried + _EPSILON))[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    recall = hits / np.maximum(people, 1)[:, None]
    read = np.stack([of[np.searchsorted(at, RECALLS)] for of, at in zip(precision, recall, strict=True)])
    highest = recall[:, -1] if recall.shape[1] else np.zeros(len(recall))
    return np.where(people[:, None] > 0, read, -1.0), np.where(people > 0, highest, -1.0)
