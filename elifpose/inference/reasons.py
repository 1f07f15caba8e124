"""Why something is missing or doubtful: per frame in a few words, and of a whole trial in sentences."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from elifpose.biomechanics import (
    JointAngles,
    far_side,
    foot_direction,
    in_stated_range,
    muscle_model,
    too_short_to_filter,
    unusual_segments,
)
from elifpose.biomechanics.angles import Facing
from elifpose.biomechanics.points import POINTS, SIDES, Side
from elifpose.inference.recording import BoolArray, FloatArray

WORTH_A_WARNING = 20.0
"""Degrees from side-on."""
TOLERANCE = 0.15
"""Share of a segment's median length."""
JOINT_RANGES = {"hip": (-60.0, 150.0), "knee": (-30.0, 165.0), "ankle": (-80.0, 50.0)}
"""Least and greatest angle of a joint that is believed, degrees.

The normal ranges of the American Academy of Orthopaedic Surgeons (Joint Motion: Method of Measuring and Recording,
1965: hip 30° of extension to 120° of flexion, knee 0° to 135°, ankle 50° of plantarflexion to 20° of dorsiflexion),
widened by 30° at either end: for the lumbar spine, which counts to the hip, for unusual joints, and for errors.
"""
_OFTEN = 0.1  # of the frames
_A_FEW = 0.02  # of the frames with an angle


def frame_reasons(
    keypoints: FloatArray,
    side: Side,
    facing: Facing,
    angles: JointAngles,
    swapped: BoolArray,
    model: str,
    max_gap_s: float,
) -> npt.NDArray[np.str_]:
    """Of one leg, why a value of the frame is missing or doubtful.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels, prepared as they are analysed.
        side: The person's own side.
        facing: +1 if the person faces the image's right, −1 left.
        angles: Degrees, ``(T,)``.
        swapped: ``(T,)``, frames whose legs were exchanged back.
        model: Of the muscles, for the range that it is stated for.
        max_gap_s: Longest gap that was filled, seconds.

    Returns:
        ``(T,)``; several are joined by a semicolon, and there is an empty string where all is well.
    """
    found: list[tuple[BoolArray, str]] = []
    legs = (f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    for part, names in (("trunk", ("hip", "neck")), ("leg", legs), ("foot", (f"{side}_heel", f"{side}_big_toe"))):
        seen = np.logical_and.reduce([np.isfinite(keypoints[:, POINTS[name], 0]) for name in names])
        gap = ~seen & _between(seen)
        found += [(~seen & ~gap, f"{part} not seen"), (gap, f"{part} not seen, gap longer than {max_gap_s:g} s")]
    chosen = muscle_model(model)
    crossing = [name for name, muscle in chosen.muscles.items() if muscle.ankle]
    beyond = np.isfinite(angles.ankle) & ~np.all(
        [in_stated_range(model, name, angles.ankle) for name in crossing], axis=0
    )
    found += [
        (swapped, "legs exchanged and put back"),
        (unusual_segments(keypoints, side, TOLERANCE), f"segment length off by more than {TOLERANCE * 100:.0f} %"),
        (facing * foot_direction(keypoints) < 0, "feet point the other way"),
        (beyond, "ankle beyond the model's stated range"),
        (np.logical_or.reduce([too_short_to_filter(angle) for angle in angles]), "too short a stretch to filter"),
    ]
    words: list[list[str]] = [[] for _ in keypoints]
    for frames, text in found:
        for frame in np.flatnonzero(frames):
            words[frame].append(text)
    return np.array(["; ".join(texts) for texts in words], dtype=np.str_)


def trial_warnings(
    keypoints: FloatArray, angles: Mapping[str, JointAngles], yaw_deg: float, facing: Facing, swapped: BoolArray
) -> list[str]:
    """What limits a trial's results, in sentences.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels, prepared as they are analysed.
        angles: Of the sides that are analysed: degrees, ``(T,)``.
        yaw_deg: How far from side-on; NaN if it cannot be told.
        facing: +1 if the person faces the image's right, −1 left.
        swapped: ``(T,)``, frames whose legs were exchanged back.
    """
    found: list[str] = []
    if np.isnan(yaw_deg):
        found.append("shoulders, feet or legs are not seen, so how far the view is from side-on cannot be told")
    elif yaw_deg > WORTH_A_WARNING:
        found.append(
            f"the view is about {yaw_deg:.0f}° from side-on: angles in the picture differ from the joints', by some "
            "2° at the ankle at 20° and 11° at 45°"
        )
    far = far_side(facing)
    if far in angles:
        found.append(f"the {far} leg is away from the camera, half hidden by the other: its values are less certain")
    for side in (side for side in SIDES if side in angles):
        found += [_missing(side, angles[side]), _unfiltered(side, angles[side]), _impossible(side, angles[side])]
        if (share := float(unusual_segments(keypoints, side, TOLERANCE).mean())) > _OFTEN:
            found.append(
                f"the {side} thigh or shank is off its median length by more than {TOLERANCE * 100:.0f} % in "
                f"{share * 100:.0f} % of the frames: the leg leaves the picture's plane, or points are misplaced"
            )
    if (share := float((facing * foot_direction(keypoints) < 0).mean())) > _OFTEN:
        found.append(
            f"the feet point the other way in {share * 100:.0f} % of the frames, whose angles have the wrong sign: "
            "analyse each direction by itself"
        )
    if swapped.any():
        found.append(f"left and right leg were exchanged in {swapped.sum()} frames, and put back")
    return [sentence for sentence in found if sentence]


def _missing(side: Side, angles: JointAngles) -> str:
    """A sentence about angles of a leg that are often not known; empty if there is none."""
    shares = {joint: np.isfinite(values).mean() for joint, values in angles._asdict().items()}
    told = [f"{joint} in {share * 100:.0f} %" for joint, share in shares.items() if share < 1 - _OFTEN]
    if not told:
        return ""
    return (
        f"{side} leg known in some frames only: {', '.join(told)}; where points are not seen, the angle and the "
        "muscles across the joint are empty"
    )


def _unfiltered(side: Side, angles: JointAngles) -> str:
    """A sentence about angles of a leg that are known but never filtered; empty if there is none."""
    told = []
    for joint, values in angles._asdict().items():
        known = np.isfinite(values)
        if known.any() and too_short_to_filter(values)[known].all():
            told.append(joint)
    return f"{side} leg: {', '.join(told)} not filtered, fewer than 10 frames in a row" if told else ""


def _impossible(side: Side, angles: JointAngles) -> str:
    """A sentence about angles of a leg that leave `JOINT_RANGES`; empty if none does in more than a few frames."""
    told = []
    for joint, values in angles._asdict().items():
        lowest, highest = JOINT_RANGES[joint]
        known = values[np.isfinite(values)]
        beyond = (known < lowest) | (known > highest)
        if known.size and (share := beyond.mean()) > _A_FEW:
            told.append(f"{joint} (−{-lowest:.0f}° to {highest:.0f}°) in {share * 100:.0f} %")
    if not told:
        return ""
    return (
        f"{side} leg outside what a joint can do: {', '.join(told)} of the frames that show it; look at the overlay "
        "for exchanged legs and misplaced points, and whether the person is seen side-on"
    )


def _between(seen: BoolArray) -> BoolArray:
    """Frames that have a seen one before and after: ``(T,)``."""
    between: BoolArray = np.logical_or.accumulate(seen) & np.logical_or.accumulate(seen[::-1])[::-1]
    return between
