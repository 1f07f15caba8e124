"""Boxes in frames: ``(N, 4)``, left, top, width, height, image pixels."""

import numpy as np

from elifpose.inference.recording import BoolArray, FloatArray

_NESTED = 0.7  # of a box's area that lies in another one
_OUTWARD = 1.15  # a person's outline is larger than the extent of his keypoints


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union ``(N, M)`` of boxes ``(N, 4)`` and ``(M, 4)``: left, top, width, height.

    >>> overlaps(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 2.0, 2.0]])).round(3).tolist()
    [[0.333]]
    """
    corners, far = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    shared = np.minimum(far, others[:, :2] + others[:, 2:]) - np.maximum(corners, others[:, :2])
    common = shared.clip(min=0.0).prod(axis=2)
    union = boxes[:, None, 2:].prod(axis=2) + others[:, 2:].prod(axis=1) - common
    return np.asarray(common / np.maximum(union, 1e-9))


def suppress_boxes(boxes: FloatArray, scores: FloatArray, max_overlap: float) -> list[int]:
    """Positions of boxes ``(N, 4)``, best first, without those that overlap a better one of these too much."""
    similar = overlaps(boxes, boxes) > max_overlap
    kept: list[int] = []
    for candidate in np.argsort(-scores, kind="stable").tolist():
        if not similar[candidate, kept].any():
            kept.append(candidate)
    return kept


def box_around(keypoints: FloatArray, min_score: float) -> FloatArray | None:
    """Box ``(4,)`` about keypoints ``(K, 3)``: their extent, a little enlarged; None of fewer than three.

    Args:
        keypoints: Image pixels and score.
        min_score: Keypoints below are not looked at.
    """
    points = keypoints[(keypoints[:, 2] >= min_score) & np.isfinite(keypoints[:, 0]), :2]
    if len(points) < 3 or np.ptp(points, axis=0).min() <= 0:
        return None
    corner = points.min(axis=0)
    return np.asarray(enlarged(np.concatenate((corner, np.ptp(points, axis=0)))[None], _OUTWARD)[0])


def nested(boxes: FloatArray) -> BoolArray:
    """Which of boxes ``(N, 4)`` lie in a larger one, all but a little."""
    areas = boxes[:, 2:].prod(axis=1)
    overlap = overlaps(boxes, boxes)
    shared = overlap * (areas[:, None] + areas) / (1.0 + overlap)
    larger = areas[:, None] < areas
    return np.asarray((larger & (shared > _NESTED * areas[:, None])).any(axis=1))


def enlarged(boxes: FloatArray, factor: float) -> FloatArray:
    """Boxes ``(N, 4)`` made larger about their middles."""
    sizes = boxes[:, 2:] * factor
    return np.concatenate((boxes[:, :2] - (sizes - boxes[:, 2:]) / 2.0, sizes), axis=1)
