"""From keypoints of a side view to joint angles and muscle-tendon lengths: pure functions on NumPy arrays.

Keypoints are ``(T, 26, 3)`` float64 in the order of Halpe26: x and y in image pixels (y down), score; a missing point
is NaN in x and y. Angles are in degrees, flexion and dorsiflexion positive. What is not known is NaN, never 0. The
usual way: `gate_keypoints`, `repair_sides`, `fill_gaps`, `joint_angles`, `butterworth_lowpass`, `mtu_length`,
`relative_length`. Lengths of muscles are estimates of a model, not measurements.
"""

from elifpose.biomechanics.angles import JointAngles, facing_direction, foot_direction, joint_angles
from elifpose.biomechanics.filtering import butterworth_lowpass, fill_gaps, gate_keypoints, too_short_to_filter
from elifpose.biomechanics.gait import GaitEvents, gait_events, normalise_cycles
from elifpose.biomechanics.mtu import (
    in_stated_range,
    mtu_length,
    mtu_velocity,
    neutral_length,
    relative_length,
    standing_length,
)
from elifpose.biomechanics.muscles import DEFAULT_MUSCLES, MODELS, Muscle, MuscleModel, muscle_model
from elifpose.biomechanics.one_euro import OneEuroFilter
from elifpose.biomechanics.opensim import opensim_coordinates
from elifpose.biomechanics.segments import (
    SegmentLengths,
    body_height_pixels,
    check_body_height,
    far_side,
    pixels_per_metre,
    segment_lengths,
    unusual_segments,
    view_yaw,
)
from elifpose.biomechanics.sides import RepairedSides, repair_sides

__all__ = [
    "DEFAULT_MUSCLES",
    "MODELS",
    "GaitEvents",
    "JointAngles",
    "Muscle",
    "MuscleModel",
    "OneEuroFilter",
    "RepairedSides",
    "SegmentLengths",
    "body_height_pixels",
    "butterworth_lowpass",
    "check_body_height",
    "facing_direction",
    "far_side",
    "fill_gaps",
    "foot_direction",
    "gait_events",
    "gate_keypoints",
    "in_stated_range",
    "joint_angles",
    "mtu_length",
    "mtu_velocity",
    "muscle_model",
    "neutral_length",
    "normalise_cycles",
    "opensim_coordinates",
    "pixels_per_metre",
    "relative_length",
    "repair_sides",
    "segment_lengths",
    "standing_length",
    "too_short_to_filter",
    "unusual_segments",
    "view_yaw",
]
