"""Errors of keypoints as distances: PCK, AUC, EPE and NME.

All functions take a matrix of distances ``(N, K)`` in which NaN marks a keypoint that does not count, because it is
not annotated or its person has no size (`keypoint_distances`). A figure over nothing is −1, as COCO has it.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from elifpose.evaluation.person_metric import PersonMetric

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
        sizes: ``(N,)``, pixels, by which distances are divided (`box_sizes`, `pair_distances`). A person whose size
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
    """The larger side of ``(N, 4)`` boxes, left, top, width, height: ``(N,)``."""
    return np.asarray(boxes[:, 2:].max(axis=1), dtype=np.float64)


def pair_distances(keypoints_true: FloatArray, pair: tuple[int, int]) -> FloatArray:
    """Distance between two keypoints of each person, such as the shoulders, for NME: ``(N,)``, pixels.

    Args:
        keypoints_true: ``(N, K, 2)``, image pixels.
        pair: Positions of the two keypoints. Whether both are labelled is the caller's to decide: a size of 0
            leaves a person out.
    """
    return np.asarray(
        np.linalg.norm(keypoints_true[:, pair[0]] - keypoints_true[:, pair[1]], axis=-1), dtype=np.float64
    )


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
    """Area under the curve of PCK over distance in pixels: the mean of `pck` at i · limit / steps, i < steps."""
    return sum(pck(distances / limit, step / steps) for step in range(steps)) / steps


def mean_error(distances: FloatArray) -> float:
    """Mean over all keypoints that count: EPE of distances in pixels, NME of distances relative to a size."""
    counted = distances[~np.isnan(distances)]
    return float(counted.mean()) if counted.size else -1.0


@final
class KeypointErrors(PersonMetric):
    """PCK relative to the larger side of the person's box, AUC up to 30 image pixels, and EPE in image pixels.

    PCK and AUC are means over keypoints of means over people, EPE is the mean over all keypoints. The figures do not
    depend on the number of processes (`PersonMetric`).

    Args:
        thresholds: Of PCK, as shares of the box's larger side.

    Raises:
        ValueError: If a threshold is not positive.
    """

    keypoints_predicted: list[Tensor]
    keypoints_true: list[Tensor]
    weights: list[Tensor]
    boxes_image: list[Tensor]

    def __init__(self, thresholds: Sequence[float] = (0.05, 0.1, 0.2)) -> None:
        if not all(threshold > 0 for threshold in thresholds):
            raise ValueError(f"thresholds must be positive, not {tuple(thresholds)}")
        super().__init__(
            {"keypoints_predicted": (0, 2), "keypoints_true": (0, 2), "weights": (0,), "boxes_image": (4,)}
        )
        self.thresholds = tuple(thresholds)

    def update(
        self,
        keypoints_image_pred: Tensor,
        keypoints_image_true: Tensor,
        weights: Tensor,
        boxes_image: Tensor,
        image_ids: Tensor,
        sample_indices: Tensor,
    ) -> None:
        """Keep the keypoints of a batch; tensors may be on any device and are kept as float32.

        Args:
            keypoints_image_pred: ``(N, K, 2)``, image pixels, x then y.
            keypoints_image_true: ``(N, K, 2)``, image pixels.
            weights: ``(N, K)``, > 0 where the keypoint is annotated.
            boxes_image: ``(N, 4)``, image pixels, left, top, width, height.
            image_ids: ``(N,)`` integers.
            sample_indices: ``(N,)`` integers, one for each person of the data set.
        """
        self._append(
            {
                "keypoints_predicted": keypoints_image_pred,
                "keypoints_true": keypoints_image_true,
                "weights": weights,
                "boxes_image": boxes_image,
                "image_ids": image_ids,
                "sample_indices": sample_indices,
            }
        )

    def compute(self) -> dict[str, Tensor]:
        """``PCK@…`` of each threshold, ``AUC``, ``EPE``: float64 scalars on the CPU, −1 if nothing is annotated."""
        persons = {name: values.double().numpy() for name, values in self._persons().items()}
        people = persons["keypoints_predicted"], persons["keypoints_true"], persons["weights"] > 0
        pixels = keypoint_distances(*people)
        relative = keypoint_distances(*people, box_sizes(persons["boxes_image"]))
        figures = {f"PCK@{threshold:g}": pck(relative, threshold) for threshold in self.thresholds}
        figures |= {"AUC": auc(pixels), "EPE": mean_error(pixels)}
        return {name: torch.tensor(figure, dtype=torch.float64) for name, figure in figures.items()}
