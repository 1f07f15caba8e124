"""What was recorded, and who was seen in it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.structures.skeletons import HALPE26

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Recording(NamedTuple):
    """Where keypoints come from."""

    source: str
    """Path, or the camera's number."""
    fps: float
    """Frames per second."""
    image_size: tuple[int, int]
    """Width and height, pixels, as shown: a rotation in the file's metadata is applied."""
    frames: int
    """How many were read."""
    warnings: tuple[str, ...] = ()
    """What is odd about it, such as a frame rate that varies, in sentences."""


class Track(NamedTuple):
    """One person through a recording of ``T`` frames."""

    person: int
    """Number of the person, from 0, by first appearance."""
    keypoints: FloatArray
    """``(T, 26, 3)``, Halpe26's order: x and y in image pixels, NaN where not seen, and score from 0 to 1."""
    times_s: FloatArray
    """``(T,)``, from the first frame."""
    boxes: FloatArray
    """``(T, 4)``, left, top, width, height, image pixels; NaN where not seen."""


def unseen(frames: int) -> FloatArray:
    """Keypoints ``(T, 26, 3)`` of somebody who is not seen: NaN, with scores of 0."""
    keypoints = np.full((frames, HALPE26.num_keypoints, 3), np.nan)
    keypoints[..., 2] = 0.0
    return keypoints
