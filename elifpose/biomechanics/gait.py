"""Strides: when a foot strikes and leaves the ground, and values over the cycle between."""

from typing import NamedTuple

import numpy as np

from elifpose.biomechanics.angles import Facing
from elifpose.biomechanics.filtering import butterworth_lowpass
from elifpose.biomechanics.points import SIDES, FloatArray, IntArray, Side, checked_keypoints, point
from elifpose.biomechanics.segments import segment_lengths

_SMALLEST_SWING = 0.25  # of the leg's length: less is no step
_SMALLEST_STEP = 0.1  # of the leg's length: less and the feet stand side by side, as in a squat


class GaitEvents(NamedTuple):
    """Frames at which one foot meets and leaves the ground: int64, in order."""

    strikes: IntArray
    """``(S,)``, initial contact."""
    toe_offs: IntArray
    """``(O,)``."""


def gait_events(keypoints: FloatArray, side: Side, fps: float, facing: Facing) -> GaitEvents:
    """Find the strides of one leg from where the foot is relative to the hips.

    Initial contact is where the heel is farthest in front of the hip centre, toe-off where the big toe is farthest
    behind it (Zeni, Richards & Higginson, Gait & Posture 27, 2008), of trajectories low-passed at 6 Hz. A swing
    smaller than a quarter of the leg is no step, nor is one with the other foot beside it: standing and squatting
    have no events. An extremum at either end of what is seen does not count.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels, short gaps filled (see `fill_gaps`); a longer gap starts anew.
        side: The person's own side.
        fps: Frames per second, more than 12.
        facing: +1 if the person walks to the image's right, −1 left.

    Raises:
        ElifPoseError: If the array has another shape, or ``fps`` is not positive or too low for the low-pass.
    """
    keypoints = checked_keypoints(keypoints)
    other = SIDES[1 - SIDES.index(side)]
    lengths = segment_lengths(keypoints, side)
    leg = lengths.thigh + lengths.shank
    hip = point(keypoints, "hip")[:, 0]

    def ahead(name: str) -> FloatArray:
        return butterworth_lowpass(facing * (point(keypoints, name)[:, 0] - hip), fps)

    heel, toe = ahead(f"{side}_heel"), ahead(f"{side}_big_toe")
    strikes = _peaks(heel, _SMALLEST_SWING * leg)
    toe_offs = _peaks(-toe, _SMALLEST_SWING * leg)
    stride = heel - ahead(f"{other}_heel")  # NaN where the other foot is hidden, which decides nothing
    return GaitEvents(
        strikes[~(stride[strikes] < _SMALLEST_STEP * leg)], toe_offs[~(stride[toe_offs] > -_SMALLEST_STEP * leg)]
    )


def normalise_cycles(values: FloatArray, events: IntArray, points: int = 101) -> FloatArray:
    """Values over each cycle, from one event to the next, at equal shares of its time.

    Args:
        values: ``(T,)``, any unit; NaN where missing.
        events: ``(E,)``, frames in order, such as `GaitEvents.strikes`.
        points: How many from 0 % to 100 % of a cycle, both included.

    Returns:
        ``(E − 1, points)``, interpolated linearly (``(0, points)`` with fewer than two events). NaN where a value
        beside is missing, and in the whole row of a cycle that lasts more than 1.5 times the median one: an event is
        missing there.

    Raises:
        ValueError: If ``points`` is less than 2, or events are out of order or outside ``values``.
    """
    if points < 2:
        raise ValueError(f"a cycle needs at least 2 points, not {points}")
    durations = np.diff(events)
    if len(events) and (events[0] < 0 or events[-1] >= len(values) or (durations <= 0).any()):
        raise ValueError(f"events must be frames from 0 to {len(values) - 1} in order, but are {events}")
    if not len(durations):
        return np.zeros((0, points))
    values = np.where(np.isfinite(values), values, np.nan)
    frames = events[:-1, None] + durations[:, None] * np.linspace(0.0, 1.0, points)
    before = np.floor(frames).astype(np.int64)
    share = frames - before
    after = np.where(share > 0, before + 1, before)
    cycles = values[before] * (1.0 - share) + values[after] * share
    cycles[durations > 1.5 * np.median(durations)] = np.nan
    return cycles


def _peaks(values: FloatArray, rise: float) -> IntArray:
    """Maxima of ``(T,)`` that stand out by ``rise`` on both sides, within stretches without NaN."""
    found: list[int] = []
    top = bottom = -1  # the highest sample since the last trough, or none; and the lowest since the last peak
    rising = False
    for index, value in enumerate(values):
        if np.isnan(value):
            top = bottom = -1
            rising = False
        elif rising:
            if value > values[top]:
                top = index
            elif value <= values[top] - rise:
                found.append(top)
                rising, bottom = False, index
        elif bottom < 0 or value < values[bottom]:
            bottom = index
        elif value >= values[bottom] + rise:
            rising, top = True, index
    return np.array(found, dtype=np.int64)
