"""Figures of each keypoint by itself."""

from typing import NamedTuple

from elifpose.evaluation.people import DetectedPeople, TruePeople
from elifpose.evaluation.predictions import Predictions
from elifpose.structures.skeleton import Skeleton


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
    """Figures of all keypoints, in the skeleton's order."""
    raise NotImplementedError
