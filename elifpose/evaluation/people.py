"""Annotated and detected people of one data set as arrays: what average precision is computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True, eq=False)
class TruePeople:
    """``G`` annotated people in ``I`` images, everyone with ``K`` keypoints; image pixels."""

    image_ids: IntArray
    """``(I,)``, ascending, each once; people are in images by position in this array."""
    images: IntArray
    """``(G,)``, ascending."""
    keypoints: FloatArray
    """``(G, K, 2)``, x then y."""
    labelled: BoolArray
    """``(G, K)``, COCO's visibility > 0."""
    boxes: FloatArray
    """``(G, 4)``, left, top, width, height."""
    areas: FloatArray
    """``(G,)``, image pixels squared."""
    crowd: BoolArray
    """``(G,)``, a group annotated as one: ignored, and any number of detections may match it."""
    ignored: BoolArray
    """``(G,)``, crowds and people without labelled keypoints: nobody misses them or is false there."""

    @classmethod
    def from_coco(cls, ground_truth: Mapping[str, Any], num_keypoints: int) -> Self:
        """Of a COCO JSON; gaps are filled as `coco_keypoint_figures` says."""
        raise NotImplementedError


@final
@dataclass(frozen=True, eq=False)
class DetectedPeople:
    """``D`` detections in the images of some `TruePeople`; image pixels."""

    images: IntArray
    """``(D,)``, positions in `TruePeople.image_ids`."""
    keypoints: FloatArray
    """``(D, K, 2)``, x then y; finite."""
    scores: FloatArray
    """``(D,)``, of the persons."""
    areas: FloatArray
    """``(D,)``, image pixels squared; they decide whether an unmatched detection counts in (M) and (L)."""

    @classmethod
    def from_coco(cls, detections: Sequence[Mapping[str, Any]], image_ids: IntArray, num_keypoints: int) -> Self:
        """Of a COCO results list, in its order; `ElifPoseError` as `coco_keypoint_figures` says."""
        raise NotImplementedError
