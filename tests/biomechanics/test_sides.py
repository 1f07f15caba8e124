from collections.abc import Callable

import numpy as np
import pytest

from elifpose.biomechanics.angles import JointAngles
from elifpose.biomechanics.points import POINTS, SIDES, BoolArray, FloatArray, Side
from elifpose.biomechanics.sides import repair_sides
from elifpose.structures.skeletons import HALPE26

Pose = Callable[..., FloatArray]
Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]

LEGS = [index for name, index in POINTS.items() if name.partition("_")[0] in SIDES and "shoulder" not in name]


def exchanged(keypoints: FloatArray, frames: BoolArray) -> FloatArray:
    """With the legs' names exchanged, hips to toes."""
    changed = keypoints.copy()
    rows = np.flatnonzero(frames)[:, None]
    changed[rows, LEGS] = keypoints[:, HALPE26.flip_indices][rows, LEGS]
    return changed


def noisy(keypoints: FloatArray, pixels: float, seed: int = 0) -> FloatArray:
    noise = np.random.default_rng(seed).normal(0.0, pixels, (*keypoints.shape[:2], 2))
    return np.concatenate((keypoints[..., :2] + noise, keypoints[..., 2:]), axis=-1)


@pytest.mark.parametrize("pixels", [0.0, 5.0])
@pytest.mark.parametrize("start", [40, 47, 50, 55, 61])  # through a stride
@pytest.mark.parametrize("length", [2, 5, 12, 25])
def test_exchanged_legs_are_put_back(walk: Walk, start: int, length: int, pixels: float) -> None:
    keypoints = noisy(walk(yaw=8.0)[0], pixels)
    frames = np.zeros(len(keypoints), dtype=np.bool_)
    frames[[*range(start, start + length), *range(160, 164)]] = True
    repaired = repair_sides(exchanged(keypoints, frames))
    np.testing.assert_array_equal(repaired.swapped, frames)
    np.testing.assert_array_equal(repaired.keypoints, keypoints)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_exchanged_without_evidence(walk: Walk, pose: Pose, seed: int) -> None:
    bend = 45.0 * (1.0 - np.cos(np.arange(240) * 2.0 * np.pi / 90))
    squat = pose({side: JointAngles(bend, bend, 0.3 * bend) for side in SIDES}, yaw=4.0)
    for keypoints in (walk(yaw=8.0)[0], walk(fps=60.0)[0], squat):
        assert not repair_sides(noisy(keypoints, 5.0, seed)).swapped.any()


def test_names_that_are_wrong_in_most_frames_stay(walk: Walk) -> None:
    keypoints, _ = walk(yaw=8.0)
    frames = np.ones(len(keypoints), dtype=np.bool_)
    frames[100:110] = False
    np.testing.assert_array_equal(repair_sides(exchanged(keypoints, frames)).swapped, ~frames)


def test_missing_points_are_left_out(walk: Walk) -> None:
    keypoints, _ = walk(yaw=8.0)
    keypoints[:, [POINTS["left_heel"], POINTS["right_small_toe"]], :2] = np.nan
    keypoints[::7, POINTS["left_ankle"], :2] = np.nan
    frames = np.zeros(len(keypoints), dtype=np.bool_)
    frames[120:130] = True
    repaired = repair_sides(exchanged(keypoints, frames))
    np.testing.assert_array_equal(repaired.swapped, frames)
    np.testing.assert_array_equal(repaired.keypoints, keypoints)


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_short_and_empty_trials_stay_as_they_are(frames: int) -> None:
    for keypoints in (np.zeros((frames, 26, 3)), np.full((frames, 26, 3), np.nan)):
        repaired = repair_sides(keypoints)
        np.testing.assert_array_equal(repaired.keypoints, keypoints)
        assert repaired.swapped.tolist() == [False] * frames
