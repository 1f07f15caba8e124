"""A human body as a chain of rigid segments: proportions, landmarks, and where they lie in a pose.

Segment lengths are fractions of stature after Drillis & Contini, "Body Segment Parameters" (1966), as tabulated in
Winter, "Biomechanics and Motor Control of Human Movement", figure 4.1: upper arm .186, forearm .146, hand .108,
thigh .245, shank .246, ankle's height .039, foot .152; shoulders at .818, eyes at .936 and chin at .870 of the
stature. Half the distance between the joint centres is .125 at the shoulders (Winter: .129 to the acromion) and
.055 at the hips (Winter's .191 is the breadth over the trochanters, outside the joints).

Body frame: x to the person's left, y up, z forward; right-handed. Every segment's frame coincides with it when the
person stands upright with the arms hanging. Only the left side is written down; the right one mirrors it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.structures.skeletons import HALPE26

Array = npt.NDArray[np.float64]
Offset = tuple[float, float, float]

# name: parent, and the joint's place in the parent's frame, fractions of stature.
_LEFT_SEGMENTS: dict[str, tuple[str, Offset]] = {
    "clavicle": ("thorax", (0.020, 0.140, 0.000)),
    "upper_arm": ("clavicle", (0.105, 0.008, 0.000)),
    "forearm": ("upper_arm", (0.0, -0.186, 0.0)),
    "hand": ("forearm", (0.0, -0.146, 0.0)),
    "thigh": ("pelvis", (0.055, 0.0, 0.0)),
    "shank": ("thigh", (0.0, -0.245, 0.0)),
    "foot": ("shank", (0.0, -0.246, 0.0)),
}
_MIDDLE_SEGMENTS: dict[str, tuple[str, Offset]] = {
    "pelvis": ("", (0.0, 0.0, 0.0)),
    "lumbar": ("pelvis", (0.0, 0.055, -0.006)),
    "thorax": ("lumbar", (0.0, 0.085, 0.0)),
    "neck": ("thorax", (0.0, 0.152, -0.004)),
    "head": ("neck", (0.0, 0.060, 0.010)),
}

# name: segment, and the point's place in its frame, fractions of stature.
_LEFT_LANDMARKS: dict[str, tuple[str, Offset]] = {
    "eye": ("head", (0.0185, 0.043, 0.056)),
    "ear": ("head", (0.047, 0.028, -0.004)),
    "shoulder": ("upper_arm", (0.0, 0.0, 0.0)),
    "elbow": ("forearm", (0.0, 0.0, 0.0)),
    "wrist": ("hand", (0.0, 0.0, 0.0)),
    "hip": ("thigh", (0.0, 0.0, 0.0)),
    "knee": ("shank", (0.0, 0.0, 0.0)),
    "ankle": ("foot", (0.0, 0.0, 0.0)),
    "big_toe": ("foot", (-0.014, -0.030, 0.106)),
    "small_toe": ("foot", (0.026, -0.031, 0.084)),
    "heel": ("foot", (0.0, -0.026, -0.040)),
    # Not keypoints: what the shapes of the body hang on.
    "knuckles": ("hand", (0.0, -0.052, 0.006)),
    "fingertip": ("hand", (0.0, -0.100, 0.016)),
    "thumb": ("hand", (-0.006, -0.052, 0.034)),
    "calf": ("shank", (0.002, -0.075, -0.010)),
    "chest": ("thorax", (0.062, 0.098, 0.004)),
    "breast": ("thorax", (0.042, 0.070, 0.028)),
    "trapezius": ("neck", (0.018, 0.022, -0.008)),
    "waist": ("lumbar", (0.042, 0.040, 0.004)),
    "flank": ("pelvis", (0.050, 0.022, 0.0)),
    "buttock": ("pelvis", (0.040, -0.022, -0.026)),
    "instep": ("foot", (0.002, -0.016, 0.040)),
    "big_sole": ("foot", (-0.010, -0.031, 0.092)),
    "small_sole": ("foot", (0.020, -0.031, 0.072)),
    "heel_sole": ("foot", (0.0, -0.030, -0.024)),
    "brow": ("head", (0.0185, 0.056, 0.056)),
    "inner_brow": ("head", (0.009, 0.055, 0.059)),
    "pupil": ("head", (0.0180, 0.043, 0.063)),
    "mouth": ("head", (0.011, -0.003, 0.052)),
    "lobe": ("head", (0.045, 0.020, 0.000)),
    "lock": ("head", (0.036, -0.040, -0.020)),
    "visor": ("head", (0.028, 0.068, 0.088)),
}
_MIDDLE_LANDMARKS: dict[str, tuple[str, Offset]] = {
    "nose": ("head", (0.0, 0.022, 0.068)),
    "head": ("head", (0.0, 0.105, -0.002)),
    "neck": ("neck", (0.0, 0.0, 0.0)),
    "hip": ("pelvis", (0.0, 0.0, 0.0)),
    "nose_root": ("head", (0.0, 0.042, 0.056)),
    "skull_front": ("head", (0.0, 0.052, 0.012)),
    "skull_back": ("head", (0.0, 0.054, -0.022)),
    "jaw": ("head", (0.0, 0.000, 0.028)),
    "nape": ("head", (0.0, 0.010, -0.008)),
    "hair_front": ("head", (0.0, 0.068, 0.002)),
    "hair_back": ("head", (0.0, 0.052, -0.030)),
    "hair_low": ("head", (0.0, 0.015, -0.034)),
    "hair_end": ("head", (0.0, -0.080, -0.052)),
    "spine_top": ("thorax", (0.0, 0.100, 0.004)),
    "belly": ("lumbar", (0.0, 0.020, 0.014)),
}


class _Anchor(NamedTuple):
    parent: str
    offset: Offset


def _both_sides(left: dict[str, tuple[str, Offset]], middle: dict[str, tuple[str, Offset]]) -> dict[str, _Anchor]:
    """The table with left and right entries, the right ones mirrored."""
    table = {name: _Anchor(parent, offset) for name, (parent, offset) in middle.items()}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for name, (parent, (x, y, z)) in left.items():
            parent_name = f"{side}_{parent}" if parent in _LEFT_SEGMENTS else parent
            table[f"{side}_{name}"] = _Anchor(parent_name, (sign * x, y, z))
    return table


_SEGMENT_TABLE = _both_sides(_LEFT_SEGMENTS, _MIDDLE_SEGMENTS)
SEGMENTS = tuple(_SEGMENT_TABLE)
"""Names of the segments; a parent stands before its children."""
PARENTS = tuple(SEGMENTS.index(anchor.parent) if anchor.parent else -1 for anchor in _SEGMENT_TABLE.values())
SEGMENT_OFFSETS = np.array([anchor.offset for anchor in _SEGMENT_TABLE.values()])

_LANDMARK_TABLE = _both_sides(_LEFT_LANDMARKS, _MIDDLE_LANDMARKS)
LANDMARKS = {name: index for index, name in enumerate(_LANDMARK_TABLE)}
"""Row of each landmark."""
_LANDMARK_SEGMENTS = np.array([SEGMENTS.index(anchor.parent) for anchor in _LANDMARK_TABLE.values()])
_LANDMARK_OFFSETS = np.array([anchor.offset for anchor in _LANDMARK_TABLE.values()])
KEYPOINT_ROWS = np.array([LANDMARKS[name] for name in HALPE26.keypoints])
"""Rows of the landmarks that are the keypoints of Halpe26, in their order."""

SOLE_DEPTH = 0.012
"""How far the sole reaches below toes and heel, fraction of stature."""


class PosedBody(NamedTuple):
    """A body in a pose, on the ground, in its own frame, metres."""

    landmarks: Array
    """``(P, 3)``, rows as in `LANDMARKS`; the soles touch y = 0 and the pelvis is over the origin."""
    rotations: Array
    """``(S, 3, 3)``, segment frames to the body's frame, rows as in `SEGMENTS`."""


def draw_proportions(rng: np.random.Generator, spread: float = 0.03) -> Array:
    """Joint offsets ``(S, 3)``, fractions of stature, of one person: the mean ones, each length varied.

    Left and right stay equal. Shoulders and hips vary in breadth as the other segments do in length.
    """
    factors = np.clip(rng.normal(1.0, spread, len(SEGMENTS)), 1.0 - 3 * spread, 1.0 + 3 * spread)
    for row, name in enumerate(SEGMENTS):
        if name.startswith("right_"):
            factors[row] = factors[SEGMENTS.index(name.replace("right_", "left_"))]
    return np.asarray(SEGMENT_OFFSETS * factors[:, None])


def place(rotations: Array, offsets: Array, stature: float, flat_feet: tuple[bool, bool]) -> PosedBody:
    """Forward kinematics, then the body set down on the ground.

    Args:
        rotations: ``(S, 3, 3)``, each segment's rotation in its parent's frame.
        offsets: ``(S, 3)``, joints in the parents' frames, fractions of stature.
        stature: Metres.
        flat_feet: Whether the left and the right foot rest level on the ground, whatever the shank does.

    Returns:
        Landmarks and segment frames.
    """
    frames = np.empty((len(SEGMENTS), 3, 3))
    origins = np.zeros((len(SEGMENTS), 3))
    level = {SEGMENTS.index(f"{side}_foot") for side, flat in zip(("left", "right"), flat_feet, strict=True) if flat}
    for row, parent in enumerate(PARENTS):
        if parent < 0:
            frames[row] = rotations[row]
            continue
        origins[row] = origins[parent] + frames[parent] @ offsets[row]
        frames[row] = _level(frames[parent]) if row in level else frames[parent] @ rotations[row]
    turned = np.einsum("pij,pj->pi", frames[_LANDMARK_SEGMENTS], _LANDMARK_OFFSETS)
    landmarks = stature * (origins[_LANDMARK_SEGMENTS] + turned)
    lowest = landmarks[[LANDMARKS[f"{side}_{part}"] for side in ("left", "right") for part in _GROUND_PARTS], 1].min()
    landmarks[:, 1] += stature * SOLE_DEPTH - lowest
    return PosedBody(landmarks, frames)


_GROUND_PARTS = ("big_toe", "small_toe", "heel", "knee")


def _level(frame: Array) -> Array:
    """The upright frame ``(3, 3)`` with the same heading as a segment's frame."""
    forward = frame[:, 2] * (1.0, 0.0, 1.0)
    norm = float(np.hypot(forward[0], forward[2]))
    sin, cos = (forward[0] / norm, forward[2] / norm) if norm > 1e-6 else (0.0, 1.0)
    return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
