"""Figures of each keypoint by itself."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from elifpose.evaluation.average_precision import figures, precision_recall
from elifpose.evaluation.calibration import CORRECT_WITHIN
from elifpose.evaluation.matching import match
from elifpose.evaluation.pck import box_sizes, keypoint_distances, pck_per_keypoint
from elifpose.evaluation.people import DetectedPeople, FloatArray, TruePeople
from elifpose.evaluation.predictions import Predictions
from elifpose.structures.skeleton import Skeleton

_NEAR = 0.5  # keypoint similarity from which on a keypoint is taken to be at a place


class KeypointFigures(NamedTuple):
    """One keypoint's figures; −1 where there is nothing to measure."""

    name: str
    labelled: int
    """In how many people it is labelled."""
    average_precision: float
    """OKS AP if it were the only keypoint of everybody."""
    pck: float
    """Share of people in whom it is nearer to the truth than a tenth of the box's larger side: PCK@0.1."""
    median_error_input: float
    """Input pixels."""
    swapped: float
    """Share of people in whom it was put where its partner of the other side is."""


def figures_per_keypoint(
    skeleton: Skeleton, truth: TruePeople, detected: DetectedPeople, predictions: Predictions
) -> list[KeypointFigures]:
    """Figures of all keypoints, in the skeleton's order.

    Args:
        skeleton: Of everyone.
        truth: Who is there; average precision is over all of them.
        detected: Who was found.
        predictions: The same network's predictions; the figures that compare a person with the truth of the box
            that it was found in are −1 in a detector's boxes, where nobody is labelled.
    """
    distances = keypoint_distances(predictions.keypoints, predictions.keypoints_true, predictions.labelled)
    relative = keypoint_distances(
        predictions.keypoints, predictions.keypoints_true, predictions.labelled, box_sizes(predictions.boxes)
    )
    within = pck_per_keypoint(relative, CORRECT_WITHIN)
    errors_input = distances / predictions.pixel_sizes[:, None]
    swapped = swapped_shares(skeleton, predictions)
    return [
        KeypointFigures(
            name=name,
            labelled=int((truth.labelled[:, k] & ~truth.ignored).sum()),
            average_precision=_average_precision(truth, detected, k, skeleton.sigmas[k]),
            pck=float(within[k]),
            median_error_input=_median(errors_input[:, k]),
            swapped=float(swapped[k]),
        )
        for k, name in enumerate(skeleton.keypoints)
    ]


def swapped_shares(skeleton: Skeleton, predictions: Predictions) -> FloatArray:
    """Share of people in whom a keypoint was put where its partner of the other side is.

    It is near the partner's true place and not near its own, where near is a keypoint similarity
    exp(−d² / (2 · area · (2σ)²)) of 0.5 or more: the "inversion" of Ronchi & Perona, "Benchmarking and error
    diagnosis in multi-instance pose estimation", ICCV 2017. People count in whom both are labelled.

    Args:
        skeleton: Of the predictions.
        predictions: ``N`` people.

    Returns:
        ``(K,)`` float64; −1 for a keypoint without partner, or without people who count.
    """
    partners = np.asarray(skeleton.flip_indices)
    counted = predictions.labelled & predictions.labelled[:, partners] & (partners != np.arange(len(partners)))
    own, other = (
        _keypoint_similarities(predictions, true, np.asarray(skeleton.sigmas)) >= _NEAR
        for true in (predictions.keypoints_true, predictions.keypoints_true[:, partners])
    )
    counts = counted.sum(axis=0)
    return np.where(counts > 0, (counted & other & ~own).sum(axis=0) / np.maximum(counts, 1), -1.0)


def _keypoint_similarities(predictions: Predictions, keypoints_true: FloatArray, sigmas: FloatArray) -> FloatArray:
    """``(N, K)``, of each predicted keypoint with a true one."""
    squares = np.square(predictions.keypoints - keypoints_true).sum(axis=-1)
    areas = (predictions.areas + np.spacing(1.0))[:, None]
    return np.asarray(np.exp(-squares / (2.0 * areas * (2.0 * sigmas) ** 2)))


def _average_precision(truth: TruePeople, detected: DetectedPeople, k: int, sigma: float) -> float:
    """OKS AP of keypoint ``k`` alone; people in whom it is not labelled are ignored like those without keypoints."""
    only = slice(k, k + 1)
    labelled = truth.labelled[:, only]
    of_truth = replace(
        truth, keypoints=truth.keypoints[:, only], labelled=labelled, ignored=truth.ignored | ~labelled[:, 0]
    )
    found = replace(detected, keypoints=detected.keypoints[:, only])
    return figures(precision_recall(match(of_truth, found, np.array([sigma]))))["AP"]


def _median(values: FloatArray) -> float:
    """Of those that are not NaN; −1 without any."""
    counted = values[~np.isnan(values)]
    return float(np.median(counted)) if counted.size else -1.0
