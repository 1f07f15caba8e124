"""Object keypoint similarity: how close detected keypoints are to a person's, from 0 to 1."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_EPSILON = float(np.spacing(1.0))


def oks(
    keypoints_detected: FloatArray,
    keypoints_true: FloatArray,
    labelled: BoolArray,
    areas: FloatArray,
    boxes: FloatArray,
    sigmas: FloatArray,
) -> FloatArray:
    """Similarity of every detection with every person of the ground truth.

    The mean over the person's labelled keypoints of exp(−d² / (2 · area · k²)) with k = 2σ, d the distance in image
    pixels (COCO keypoint evaluation, cocodataset.org). A person without labelled keypoints, whom COCO ignores, is
    compared by his box instead: d is the distance of each detected keypoint to the box enlarged by its own size on
    every side, and all keypoints count. A detected coordinate that is not finite gives its keypoint 0.

    Args:
        keypoints_detected: ``(..., D, K, 2)``, image pixels, x then y.
        keypoints_true: ``(..., G, K, 2)``, image pixels; anything finite where not labelled.
        labelled: ``(..., G, K)``, COCO's visibility > 0.
        areas: ``(..., G)``, image pixels squared.
        boxes: ``(..., G, 4)``, image pixels, left, top, width, height.
        sigmas: ``(K,)``, annotators' standard deviation relative to the square root of the area.

    Returns:
        ``(..., D, G)`` float64.

    >>> detected, true = np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2))  # 5 pixels apart
    >>> area, box, sigma = np.array([100.0]), np.array([[-5.0, -5.0, 10.0, 10.0]]), np.array([0.25])
    >>> similarity = oks(detected, true, np.array([[True]]), area, box, sigma)
    >>> bool(np.isclose(similarity[0, 0], np.exp(-(5**2) / (2 * 100 * 0.5**2))))
    True
    """
    return paired_oks(
        keypoints_detected[..., :, None, :, :],
        keypoints_true[..., None, :, :, :],
        labelled[..., None, :, :],
        areas[..., None, :],
        boxes[..., None, :, :],
        sigmas,
    )


def paired_oks(
    keypoints_detected: FloatArray,
    keypoints_true: FloatArray,
    labelled: BoolArray,
    areas: FloatArray,
    boxes: FloatArray,
    sigmas: FloatArray,
) -> FloatArray:
    """Similarity of each detection with the one person at its own place; see `oks`.

    Args:
        keypoints_detected: ``(..., K, 2)``, image pixels, x then y.
        keypoints_true: ``(..., K, 2)``, image pixels; anything where not labelled.
        labelled: ``(..., K)``.
        areas: ``(...)``, image pixels squared.
        boxes: ``(..., 4)``, image pixels, left, top, width, height.
        sigmas: ``(K,)``.

    Returns:
        ``(...)`` float64; leading dimensions broadcast.
    """
    offsets = keypoints_detected - keypoints_true
    has_labels = np.asarray(labelled.any(axis=-1))
    if not has_labels.all():
        beyond = _offsets_beyond_box(keypoints_detected, boxes)
        offsets = np.where(has_labels[..., None, None], offsets, beyond)
    counted = labelled | ~has_labels[..., None]
    variances = (2.0 * sigmas) ** 2
    squares = np.square(offsets[..., 0]) + np.square(offsets[..., 1])
    exponents = squares / variances / (areas + _EPSILON)[..., None] / 2.0
    similarities = np.where(counted, np.fmax(np.exp(-exponents), 0.0), 0.0)  # a NaN gives 0
    return np.asarray(similarities.sum(axis=-1) / counted.sum(axis=-1), dtype=np.float64)


def _offsets_beyond_box(keypoints: FloatArray, boxes: FloatArray) -> FloatArray:
    """From boxes ``(..., 4)`` of threefold size to keypoints ``(..., K, 2)`` outside: ``(..., K, 2)``."""
    lower = (boxes[..., :2] - boxes[..., 2:])[..., None, :]
    upper = (boxes[..., :2] + 2.0 * boxes[..., 2:])[..., None, :]
    return np.asarray(np.maximum(lower - keypoints, 0.0) + np.maximum(keypoints - upper, 0.0), dtype=np.float64)


def person_oks(
    keypoints_detected: FloatArray,
    keypoints_true: FloatArray,
    labelled: BoolArray,
    areas: FloatArray,
    sigmas: FloatArray,
) -> FloatArray:
    """Similarity of each prediction with the person whose it is.

    Args:
        keypoints_detected: ``(N, K, 2)``, image pixels, x then y.
        keypoints_true: ``(N, K, 2)``, image pixels; anything where not labelled.
        labelled: ``(N, K)``.
        areas: ``(N,)``, image pixels squared.
        sigmas: ``(K,)``.

    Returns:
        ``(N,)`` float64; NaN of a person without labelled keypoints.
    """
    no_boxes = np.zeros((len(areas), 4))  # of no influence where a keypoint is labelled
    similarities = paired_oks(keypoints_detected, keypoints_true, labelled, areas, no_boxes, sigmas)
    return np.where(labelled.any(axis=-1), similarities, np.nan)
