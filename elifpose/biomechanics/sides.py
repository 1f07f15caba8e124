"""Left and right legs that a network exchanged for some frames."""

import itertools
from typing import NamedTuple

import numpy as np

from elifpose.biomechanics.points import POINTS, BoolArray, FloatArray, checked_keypoints, nan_median
from elifpose.biomechanics.segments import segment_lengths

_LEG = ("knee", "ankle", "big_toe", "small_toe", "heel")
_LEFT = [POINTS[f"left_{name}"] for name in ("hip", *_LEG)]
_RIGHT = [POINTS[f"right_{name}"] for name in ("hip", *_LEG)]

# In lengths of the shank. Of those tried on a stick figure's walking and standing with noise, these repaired the most
# while exchanging nothing where nothing was wrong.
_SWITCH_COST = 0.15  # for each change between exchanged and not
_FRAME_COST = 0.002  # for each exchanged frame
_LARGEST_JUMP = 0.5  # of a shank's length: what a misplaced point may count for at most


class RepairedSides(NamedTuple):
    """Keypoints with the legs named the same throughout."""

    keypoints: FloatArray
    """``(T, 26, 3)``, image pixels and score."""
    swapped: BoolArray
    """``(T,)``: frames in which left and right were exchanged: to be flagged."""


def repair_sides(keypoints: FloatArray) -> RepairedSides:
    """Exchange left and right leg in the frames where that makes both move more steadily.

    A leg keeps its velocity from frame to frame, also where it passes the other: of all ways to exchange whole legs
    (hip, knee, ankle, foot) in frames, the one is taken whose points accelerate least, summed over the trial (dynamic
    programming over pairs of frames, after Viterbi, IEEE Trans. Inf. Theory 13, 1967). Changing between exchanged and
    not has a price, and each exchanged frame a small one: without evidence nothing is exchanged, and names that are
    wrong in most frames stay so. A point says nothing of the frames beside its gaps, so give these unfilled.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels; gated, not filled.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    keypoints = checked_keypoints(keypoints)
    swapped = _exchanged_frames(_accelerations(keypoints))[: len(keypoints)]
    repaired = keypoints.copy()
    frames = np.flatnonzero(swapped)[:, None]
    repaired[frames, _LEFT], repaired[frames, _RIGHT] = keypoints[frames, _RIGHT], keypoints[frames, _LEFT]
    return RepairedSides(repaired, swapped)


def _accelerations(keypoints: FloatArray) -> FloatArray:
    """What each way to exchange three frames in a row costs.

    Returns:
        ``(T − 2, 2, 2, 2)``: mean length of the second difference of both legs' points, in shanks, of frames t, t+1,
        t+2 exchanged (1) or not (0). 0 without a point that is seen in all three.
    """
    names = [[POINTS[f"{side}_{name}"] for name in _LEG] for side in ("left", "right")]
    shanks = [segment_lengths(keypoints, side).shank for side in ("left", "right")]
    legs = keypoints[:, names, :2] / (nan_median(np.array(shanks)) or np.nan)  # (T, 2, 5, 2)
    states = np.stack((legs, legs[:, ::-1]))
    costs = np.zeros((max(0, len(legs) - 2), 2, 2, 2))
    for first, second, third in itertools.product((0, 1), repeat=3):
        change = states[first, :-2] - 2.0 * states[second, 1:-1] + states[third, 2:]
        sizes = np.minimum(np.hypot(change[..., 0], change[..., 1]), _LARGEST_JUMP)
        seen = np.isfinite(sizes)
        count = np.maximum(seen.sum(axis=(1, 2)), 1)
        costs[:, first, second, third] = np.where(seen, sizes, 0.0).sum(axis=(1, 2)) / count
    return costs


def _exchanged_frames(costs: FloatArray) -> BoolArray:
    """The cheapest sequence of states, two frames longer than ``costs``: True where exchanged."""
    each = np.array([0.0, _FRAME_COST])
    step = each + _SWITCH_COST * (1.0 - np.eye(2))
    total = each[:, None] + step  # (state of the frame before, state of this frame)
    origins = np.zeros((len(costs), 2, 2), dtype=np.int64)
    for index, cost in enumerate(costs):
        ways = total[:, :, None] + cost + step
        origins[index] = ways.argmin(axis=0)
        total = ways.min(axis=0)
    before, now = divmod(int(total.argmin()), 2)
    states = [now, before]
    for origin in origins[::-1]:
        states.append(int(origin[states[-1], states[-2]]))
    return np.array(states[::-1], dtype=np.bool_)
