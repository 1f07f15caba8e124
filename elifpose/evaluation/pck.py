"""Errors of keypoints as distances: PCK, AUC, EPE and NME.

All functions take a matrix of distances ``(N, K)`` in which NaN marks a keypoint that does not count, because it is
not annotated or its person has no size (`keypoint_distances`). A figure over nothing is −1, as COCO has it.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def keypoint_distances(
    keypoints_predicted: FloatArray, keypoints_true: FloatArray, labelled: BoolArray, sizes: FloatArray | None = None
) -> FloatArray:
    """Distances between predicted and true keypoints, relative to the persons' sizes if these are given.

    Args:
        keypoints_predicted: ``(N, K, 2)``, image pixels, x then y; one that is not finite is infinitely far.
        keypoints_true: ``(N, K, 2)``, image pixels.
        labelled: ``(N, K)``.
        sizes: ``(N,)``, pixels, by which distances are divided (`box_sizes`, `pair_sizes`). A person whose size
            is not positive does not count.

    Returns:
        ``(N, K)`` float64, NaN where a keypoint does not count.
    """
    distances = np.linalg.norm(keypoints_predicted - keypoints_true, axis=-1)
    distances = np.where(np.isnan(distances), np.inf, distances)
    if sizes is not None:
        labelled = labelled & (sizes > 0)[:, None]
        distances = distances / np.where(sizes > 0, sizes, 1.0)[:, None]
    return np.where(labelled, distances, np.nan)


def box_sizes(boxes: FloatArray) -> FloatArray:
    """The larger side of ``(N, 4)`` boxes, left, top, width, height, image pixels: ``(N,)``."""
    return np.asarray(boxes[:, 2:].max(axis=1), dtype=np.float64)


def pair_sizes(keypoints_true: FloatArray, labelled: BoolArray, pair: tuple[int, int]) -> FloatArray:
    """Distance between two true keypoints of each person, such as a shoulder and the opposite hip, for NME.

    Args:
        keypoints_true: ``(N, K, 2)``, image pixels.
        labelled: ``(N, K)``.
        pair: Positions of the two keypoints.

    Returns:
        ``(N,)`` float64, pixels; 0, a size with which a person does not count, where one of the two is not labelled.
    """
    first, second = pair
    sizes = np.linalg.norm(keypoints_true[:, first] - keypoints_true[:, second], axis=-1)
    return np.where(labelled[:, first] & labelled[:, second], sizes, 0.0)


def pck_per_keypoint(distances: FloatArray, threshold: float) -> FloatArray:
    """Share of each keypoint's distances that are below (not equal to) a threshold: ``(K,)``; −1 without any."""
    counts = (~np.isnan(distances)).sum(axis=0)
    hits = (distances < threshold).sum(axis=0)
    return np.where(counts > 0, hits / np.maximum(counts, 1), -1.0)


def pck(distances: FloatArray, threshold: float) -> float:
    """Percentage of correct keypoints, as a share: the mean over keypoints of `pck_per_keypoint`.

    Every keypoint that is annotated at all has the same say, however often it is annotated (the rule of MMPose's
    published figures).

    >>> pck(np.array([[0.04, 0.3], [0.2, np.nan]]), 0.1)  # 1 of 2, 0 of 1
    0.25
    """
    shares = pck_per_keypoint(distances, threshold)
    shares = shares[shares >= 0]
    return float(shares.mean()) if shares.size else -1.0


def auc(distances: FloatArray, limit: float = 30.0, steps: int = 20) -> float:
    """Area under the curve of PCK over distance: the mean of `pck` at i · limit / steps, i < steps.

    The rule of MMPose's published figures; at i = 0 no distance is below the threshold.

    Args:
        distances: ``(N, K)``, pixels.
        limit: Where the curve ends, pixels.
        steps: At how many distances it is taken.

    >>> round(auc(np.array([[0.0, 15.0, np.nan]])), 3)  # 19 of 20 thresholds above 0, 9 of 20 above 15 pixels
    0.7
    """
    return sum(pck(distances / limit, step / steps) for step in range(steps)) / steps


def mean_error(distances: FloatArray) -> float:
    """Mean over all keypoints that count: EPE of distances in pixels, NME of distances relative to a size.

    Infinite if one of them was predicted nowhere.

    >>> mean_error(np.array([[1.0, 4.0], [np.nan, 4.0]]))
    3.0
    """
    counted = distances[~np.isnan(distances)]
    return float(counted.mean()) if counted.size else -1.0
