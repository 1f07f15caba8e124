"""The points of Halpe26 that angles and lengths need, and what is required of an array of them."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from elifpose.utils.errors import ElifPoseError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Side = Literal["left", "right"]

SIDES: tuple[Side, Side] = ("left", "right")
NUM_KEYPOINTS = 26

# written out, since the skeleton itself stands beside torch, which this folder does without
POINTS = {
    "nose": 0,
    "left_shoulder": 5,
    "right_shoulder": 6,
    "left_hip": 11,
    "right_hip": 12,
    "left_knee": 13,
    "right_knee": 14,
    "left_ankle": 15,
    "right_ankle": 16,
    "head": 17,
    "neck": 18,
    "hip": 19,
    "left_big_toe": 20,
    "right_big_toe": 21,
    "left_small_toe": 22,
    "right_small_toe": 23,
    "left_heel": 24,
    "right_heel": 25,
}


def checked_keypoints(keypoints: FloatArray) -> FloatArray:
    """A copy of the keypoints in which a point with a coordinate that is not finite has none.

    Args:
        keypoints: ``(T, 26, 3)``, Halpe26; x, y in image pixels, score.

    Returns:
        ``(T, 26, 3)`` float64; x and y of a missing point are NaN.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    checked = np.array(keypoints, dtype=np.float64)
    if checked.ndim != 3 or checked.shape[1:] != (NUM_KEYPOINTS, 3):
        raise ElifPoseError(
            f"keypoints have the shape {checked.shape}, but (frames, 26, 3) is needed: x, y and score of the 26 "
            "points of Halpe26; use a network, or a file, with neck, hip centre and feet"
        )
    checked[~np.isfinite(checked[..., :2]).all(axis=-1), :2] = np.nan
    return checked


def point(keypoints: FloatArray, name: str) -> FloatArray:
    """One of `POINTS` over time: ``(T, 2)`` image pixels of `checked_keypoints`, a view."""
    return keypoints[:, POINTS[name], :2]


def offset(keypoints: FloatArray, start: str, end: str) -> FloatArray:
    """The way from one of `POINTS` to another: ``(T, 2)`` image pixels, NaN where either is missing."""
    return np.asarray(point(keypoints, end) - point(keypoints, start))


def distance(keypoints: FloatArray, start: str, end: str) -> FloatArray:
    """How far two of `POINTS` lie apart: ``(T,)`` image pixels, NaN where either is missing."""
    offsets = offset(keypoints, start, end)
    return np.hypot(offsets[:, 0], offsets[:, 1])


def check_fps(fps: float) -> None:
    """Refuse a frame rate that is no positive number.

    Raises:
        ElifPoseError: If it is not.
    """
    if not 0 < fps < math.inf:
        raise ElifPoseError(f"the frame rate is {fps}, but must be positive: give the video's frames per second")


def nan_median(values: FloatArray) -> float:
    """Median of the values that are there; NaN without any."""
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if seen.size else math.nan
