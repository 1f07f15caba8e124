"""OKS-NMS: several detections of one person become one."""

from itertools import pairwise

import numpy as np

from elifpose.evaluation.oks import paired_oks
from elifpose.evaluation.people import BoolArray, FloatArray, IntArray
from elifpose.evaluation.settings import Suppression


def suppress(
    images: IntArray,
    keypoints: FloatArray,
    scores: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    mode: Suppression,
    threshold: float,
) -> tuple[IntArray, FloatArray]:
    """Drop or devalue detections that resemble a better one of their image.

    Detections are taken by decreasing score, of equal ones the earlier first. ``hard`` drops those whose similarity
    with one that was kept is above the threshold. ``soft`` multiplies the scores of all that are still to be taken
    by exp(−similarity² / threshold) each time one is taken (the Gaussian rule of Bodla et al., "Soft-NMS", ICCV 2017,
    with OKS in the place of the boxes' overlap), so that nothing is dropped and an identical twin keeps
    exp(−1 / threshold) of its score. The similarity of two detections is their OKS over all keypoints with the mean
    of their areas.

    Args:
        images: ``(D,)``, the image of each detection.
        keypoints: ``(D, K, 2)``, image pixels, finite.
        scores: ``(D,)``, not negative for ``soft``.
        areas: ``(D,)``, image pixels squared.
        sigmas: ``(K,)``.
        mode: See `Evaluation`.
        threshold: OKS above which the worse of two detections is dropped (``hard``), or the width of the rule by
            which it loses score (``soft``): the smaller, the more it loses.

    Returns:
        Positions of those kept, ascending, and their scores, ``(M,)`` float64.
    """
    kept, values = np.ones(len(scores), dtype=bool), np.array(scores, dtype=np.float64)
    if mode != "none":
        order = np.lexsort((-values, images))
        starts = np.flatnonzero(np.diff(images[order], prepend=-1, append=-1))
        for start, end in pairwise(starts.tolist()):
            if end - start > 1:
                group = order[start:end]
                similarities = _similarities(keypoints[group], areas[group], sigmas)
                if mode == "hard":
                    kept[group] = _survivors(similarities, threshold)
                else:
                    values[group] = _decayed(values[group], similarities, threshold)
    positions = np.flatnonzero(kept)
    return positions, values[positions]


def _similarities(keypoints: FloatArray, areas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """OKS ``(D, D)`` of the detections of one image with each other."""
    labelled = np.ones(keypoints.shape[:2], dtype=bool)
    no_boxes = np.zeros((len(keypoints), 4))  # of no influence where all keypoints count
    return paired_oks(keypoints[:, None], keypoints, labelled, (areas[:, None] + areas) / 2.0, no_boxes, sigmas)


def _survivors(similarities: FloatArray, threshold: float) -> BoolArray:
    """Which of ``D`` detections, best first, resemble no better survivor."""
    kept = np.ones(len(similarities), dtype=bool)
    resembles = similarities > threshold
    for best in range(len(kept) - 1):
        if kept[best]:
            kept[best + 1 :] &= ~resembles[best, best + 1 :]
    return kept


def _decayed(scores: FloatArray, similarities: FloatArray, threshold: float) -> FloatArray:
    """Scores ``(D,)`` after each was lowered by those taken before it."""
    values = scores.copy()
    factors = np.exp(-np.square(similarities) / threshold)
    waiting = np.arange(len(values))
    while len(waiting):
        best = waiting[values[waiting].argmax()]
        waiting = waiting[waiting != best]
        values[waiting] *= factors[best, waiting]
    return values
