"""Lengths in the picture: thigh and shank, the body's height, and how far the view is from side-on."""

import math
import warnings
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from elifpose.biomechanics.angles import Facing, joint_angles
from elifpose.biomechanics.points import (
    SIDES,
    BoolArray,
    FloatArray,
    Side,
    checked_keypoints,
    distance,
    nan_median,
    offset,
    point,
)
from elifpose.utils.errors import ElifPoseError

# parts of the body's height (Winter, Biomechanics and Motor Control of Human Movement, 2009, figure 4.1)
_FOOT, _SHOULDERS, _LEG = 0.152, 0.259, 0.245 + 0.246

_FEWEST_UPRIGHT_FRAMES = 50
_HEAD_TOP = 1.008  # from the head's keypoint to its top, in lengths from the shoulders' middle, as Sports2D has it


class SegmentLengths(NamedTuple):
    """How long one leg's segments are in the picture, over a trial; NaN of a segment that is never seen."""

    thigh: float
    """Hip to knee, image pixels: the median over the frames."""
    shank: float
    """Knee to ankle, image pixels: the median over the frames."""
    thigh_spread: float
    """Standard deviation over the median, from the median absolute deviation: no unit."""
    shank_spread: float
    """The same of the shank."""


def segment_lengths(keypoints: FloatArray, side: Side) -> SegmentLengths:
    """Length of thigh and shank as muscle-tendon models take them: one number for the trial.

    Per-frame lengths would carry the keypoints' noise into every muscle's length. The spread tells how far they are
    from constant, by noise or by movement out of the picture's plane.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.
        side: The person's own side.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    keypoints = checked_keypoints(keypoints)
    thigh, shank = _per_frame(keypoints, side)
    return SegmentLengths(nan_median(thigh), nan_median(shank), _spread(thigh), _spread(shank))


def unusual_segments(keypoints: FloatArray, side: Side, tolerance: float = 0.15) -> BoolArray:
    """Frames in which thigh or shank differs from the trial's median by more than a share of it.

    Points of the other leg, or a leg that left the picture's plane: such frames are to be flagged.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.
        side: The person's own side.
        tolerance: Share of the median.

    Returns:
        ``(T,)``; False where a segment is not seen.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    lengths = np.stack(_per_frame(checked_keypoints(keypoints), side))
    medians = np.array([[nan_median(length)] for length in lengths])
    unusual: BoolArray = (np.abs(lengths - medians) > tolerance * medians).any(axis=0)
    return unusual


def far_side(facing: Facing) -> Side:
    """The leg away from the camera, half hidden by the other: its values deserve less confidence.

    Args:
        facing: +1 if the person faces the image's right, −1 left, in an image that is not mirrored.
    """
    return "left" if facing == 1 else "right"


def body_height_pixels(keypoints: FloatArray) -> float:
    """The upright body's height, summed along its segments as Sports2D's ``compute_height`` does.

    Heel–ankle + shank + thigh + hip–shoulder, each the mean of the sides that are seen, + 1.008 times the shoulders'
    middle–head; of the frames in which hips and knees are bent by less than 90° on average (at least the 50
    straightest), the mean of the middle half of the values.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.

    Raises:
        ElifPoseError: If no frame shows a side from heel to shoulder, both shoulders and the head.
    """
    keypoints = checked_keypoints(keypoints)
    chain = ("heel", "ankle", "knee", "hip", "shoulder")
    parts = [_nan_mean([distance(keypoints, f"{s}_{a}", f"{s}_{b}") for s in SIDES]) for a, b in pairwise(chain)]
    shoulders = (point(keypoints, "left_shoulder") + point(keypoints, "right_shoulder")) / 2
    head = point(keypoints, "head") - shoulders
    heights = np.sum(parts, axis=0) + _HEAD_TOP * np.hypot(head[:, 0], head[:, 1])
    angles = [joint_angles(keypoints, side, facing=1) for side in SIDES]  # which way is of no matter to their size
    bend = _nan_mean([np.abs(angle) for leg in angles for angle in (leg.hip, leg.knee)])
    seen = np.isfinite(heights) & np.isfinite(bend)
    if not seen.any():
        raise ElifPoseError(
            "the body's height in pixels cannot be measured: no frame shows heel, ankle, knee, hip and shoulder of "
            "one side, both shoulders and the head; leave out the body height to get lengths without metres"
        )
    heights, bend = heights[seen], bend[seen]
    upright = np.sort(heights[np.argsort(bend)[: max(_FEWEST_UPRIGHT_FRAMES, int((bend < 90).sum()))]])
    middle = upright[len(upright) // 4 : math.ceil(len(upright) * 3 / 4)]
    return float(middle.mean())


def pixels_per_metre(keypoints: FloatArray, body_height_m: float) -> float:
    """Scale of the picture at the person, from how tall the person is; the camera's perspective is left out.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.
        body_height_m: Metres, without shoes.

    Returns:
        Image pixels per metre, `body_height_pixels` over ``body_height_m``.

    Raises:
        ElifPoseError: If the height is not one of a person in metres, or cannot be measured in the picture.
    """
    check_body_height(body_height_m)
    return body_height_pixels(keypoints) / body_height_m


def check_body_height(body_height_m: float) -> None:
    """Refuse by `ElifPoseError` what is no person's height in metres, such as centimetres."""
    if not 0.3 <= body_height_m <= 3:
        raise ElifPoseError(f"a body height of {body_height_m:g} is no person's in metres: give, for example, 1.75")


def view_yaw(keypoints: FloatArray) -> float:
    """How far the trial's view is from side-on, estimated from the picture.

    With yaw ψ the foot appears as 0.152·H·cos ψ long and the shoulders as 0.259·H·sin ψ wide (parts of the height H:
    Winter 2009), so ψ = atan2(shoulders/0.259, foot/0.152) without knowing H. Distances are horizontal: of heel–big
    toe the upper quartile over both feet, which has them flat on the ground; of the shoulders the median with its
    sign, so that their turning in gait averages out. Where no foot is seen, ψ = asin(shoulders/(0.259·H)) with H from
    thigh and shank. An estimate: feet and shoulders differ between people.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels.

    Returns:
        Degrees, 0 side-on to 90 from the front or back; NaN if shoulders, or both feet and legs, are not seen. In an
        orthographic view the ankle's error is about 2° at 20° and 11° at 45° of yaw: the caller is to warn or refuse.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    keypoints = checked_keypoints(keypoints)
    shoulders = abs(nan_median(offset(keypoints, "left_shoulder", "right_shoulder")[:, 0])) / _SHOULDERS
    feet = np.stack([offset(keypoints, f"{side}_heel", f"{side}_big_toe")[:, 0] for side in SIDES])
    if np.isfinite(feet).any():
        return math.degrees(math.atan2(shoulders, np.nanpercentile(np.abs(feet), 75) / _FOOT))
    legs = [np.add(*_per_frame(keypoints, side)) for side in SIDES]
    return math.degrees(math.asin(np.minimum(1.0, shoulders * _LEG / nan_median(np.concatenate(legs)))))


def _per_frame(keypoints: FloatArray, side: Side) -> tuple[FloatArray, FloatArray]:
    """Thigh and shank of each frame: ``(T,)`` image pixels."""
    return distance(keypoints, f"{side}_hip", f"{side}_knee"), distance(keypoints, f"{side}_knee", f"{side}_ankle")


def _spread(lengths: FloatArray) -> float:
    """Standard deviation over the median of normally distributed values, from the median absolute deviation."""
    median = nan_median(lengths)
    return 1.4826 * nan_median(np.abs(lengths - median)) / (median or math.nan)


def _nan_mean(values: list[FloatArray]) -> FloatArray:
    """Mean over the list of the values that are there: ``(T,)``, NaN without any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(values, axis=0))
