"""Angles of hip, knee and ankle in the side view."""

from typing import Literal, NamedTuple

import numpy as np

from elifpose.biomechanics.points import SIDES, FloatArray, Side, checked_keypoints, nan_median, offset
from elifpose.utils.errors import ElifPoseError

Facing = Literal[-1, 1]


class JointAngles(NamedTuple):
    """Angles of one leg over time: ``(T,)`` float64, degrees, NaN where a point that it needs is missing."""

    hip: FloatArray
    """Flexion +, extension −; 0 with the thigh in line with the trunk, so the lumbar spine's flexion is in it."""
    knee: FloatArray
    """Flexion +, hyperextension −; 0 straight."""
    ankle: FloatArray
    """Dorsiflexion +, plantarflexion −; 0 with the sole (heel to big toe) at right angles to the shank."""


def joint_angles(keypoints: FloatArray, side: Side, facing: Facing | None = None) -> JointAngles:
    """Angles of one leg in every frame.

    The definition is Sports2D's (Pagnon & Kim, J. Open Source Softw. 9(101), 2024): hip between knee→hip and hip
    centre→neck, knee between thigh and shank, ankle between shank and big toe→heel. Pixels must be as recorded: x and
    y of one scale, not smoothed before. Each angle is taken from the turn that holds all that a joint can reach, so
    a frame's angle depends on that frame alone. The view has to be side-on (see `view_yaw`).

    Args:
        keypoints: ``(T, 26, 3)``, image pixels, y down.
        side: The person's own side.
        facing: +1 if the person faces the image's right, −1 left; by default what `facing_direction` finds.

    Raises:
        ElifPoseError: If the array has another shape, or ``facing`` is not given and cannot be told.
        ValueError: If ``side`` or ``facing`` is something else.
    """
    if side not in SIDES or facing not in (None, -1, 1):
        raise ValueError(f"the side is left or right and facing −1 or 1, not {side!r} and {facing!r}")
    keypoints = checked_keypoints(keypoints)
    turn = facing_direction(keypoints) if facing is None else facing
    shank = offset(keypoints, f"{side}_ankle", f"{side}_knee")
    thigh = offset(keypoints, f"{side}_knee", f"{side}_hip")
    foot = offset(keypoints, f"{side}_heel", f"{side}_big_toe")
    trunk = offset(keypoints, "hip", "neck")
    return JointAngles(
        hip=_within_turn(turn * _angle_between(thigh, trunk), middle=45.0),
        knee=_within_turn(turn * _angle_between(thigh, shank), middle=65.0),
        ankle=_within_turn(90.0 - turn * _angle_between(shank, foot), middle=0.0),
    )


def foot_direction(keypoints: FloatArray) -> FloatArray:
    """Where the feet point in each frame: the sum of heel→big toe over the feet that are seen.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.

    Returns:
        ``(T,)``, image pixels, + to the image's right; NaN where neither foot is seen. Signs that change within a
        trial tell of a person who turned round: angles are then true in one of the directions only.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    keypoints = checked_keypoints(keypoints)
    feet = np.stack([offset(keypoints, f"{side}_heel", f"{side}_big_toe")[:, 0] for side in SIDES])
    return np.where(np.isnan(feet).all(axis=0), np.nan, np.nansum(feet, axis=0))


def facing_direction(keypoints: FloatArray) -> Facing:
    """Which way the person faces: the sign of the trial's median `foot_direction`.

    Where no foot is seen at all, of the median neck→nose.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.

    Returns:
        +1 to the image's right, −1 to its left.

    Raises:
        ElifPoseError: If neither is seen, or the median is 0, or the array has another shape.
    """
    keypoints = checked_keypoints(keypoints)
    median = nan_median(foot_direction(keypoints))
    if np.isnan(median):
        median = nan_median(offset(keypoints, "neck", "nose")[:, 0])
    if np.isnan(median) or median == 0:
        raise ElifPoseError(
            "it cannot be told which way the person faces: no frame shows a whole foot, or nose and neck, or they "
            "point at the camera; film from the side, or say which way"
        )
    return 1 if median > 0 else -1


def _angle_between(start: FloatArray, end: FloatArray) -> FloatArray:
    """Signed angle from one vector to another, ``(T, 2)`` each: degrees, −180 to 180; NaN of one without length.

    In image pixels (y down) + is clockwise as seen.
    """
    cross = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
    dot = (start * end).sum(axis=-1)
    length_less = ~start.any(axis=-1) | ~end.any(axis=-1)
    return np.where(length_less, np.nan, np.degrees(np.arctan2(cross, dot)))


def _within_turn(degrees: FloatArray, middle: float) -> FloatArray:
    """The same angle within half a turn of the middle of a joint's range."""
    return (degrees - middle + 180.0) % 360.0 - 180.0 + middle
