"""Which detection finds which annotated person: COCO's greedy matching, over all images at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.evaluation.people import BoolArray, DetectedPeople, FloatArray, IntArray, TruePeople

OKS_THRESHOLDS: FloatArray = np.linspace(0.5, 0.95, 10)
AREAS = {"all": (0.0, 1e10), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
"""COCO's ranges of persons' areas, image pixels squared, both ends included."""
MOST_DETECTIONS = 20
"""In an image; those with the highest scores count."""


class Matches(NamedTuple):
    """How ``M`` detections fared in ``A`` ranges of area at ``T`` thresholds."""

    detections: IntArray
    """``(M,)``, positions in `DetectedPeople`, in the order in which COCO accumulates: decreasing score."""
    images: IntArray
    """``(M,)``, the image of each."""
    scores: FloatArray
    """``(M,)``, decreasing."""
    persons: npt.NDArray[np.int32]
    """``(A, T, M)``, position in `TruePeople` of the person found, −1 for none."""
    ignored: BoolArray
    """``(A, T, M)``, neither right nor wrong."""
    num_people: IntArray
    """``(A, I)``, how many people of each image count."""
    similarities: FloatArray
    """``(M,)``, highest OKS with any person of the image that is not ignored; 0 without any."""


def match(truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray) -> Matches:
    """Match as pycocotools does, to the same result.

    Args:
        truth: Who is there.
        detected: Who was found.
        sigmas: ``(K,)`` OKS constants.
    """
    raise NotImplementedError
