from collections.abc import Callable

import numpy as np
import pytest

from elifpose.biomechanics.angles import Facing, JointAngles
from elifpose.biomechanics.gait import gait_events, normalise_cycles
from elifpose.biomechanics.points import POINTS, SIDES, FloatArray, Side
from elifpose.utils.errors import ElifPoseError

Pose = Callable[..., FloatArray]
Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]

STRIDE_S = 1.1


@pytest.mark.parametrize("facing", [1, -1])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_strides_are_found_where_the_foot_is_farthest(walk: Walk, facing: Facing, side: Side, fps: float) -> None:
    keypoints, _ = walk(fps=fps, facing=facing)
    events = gait_events(keypoints, side, fps, facing)
    for frames, point, sign in ((events.strikes, "heel", 1), (events.toe_offs, "big_toe", -1)):
        ahead = sign * facing * (keypoints[:, POINTS[f"{side}_{point}"], 0] - keypoints[:, POINTS["hip"], 0])
        stride = round(STRIDE_S * fps)
        inside = frames[(frames > stride // 2) & (frames < len(ahead) - stride // 2)]
        assert len(inside) == pytest.approx(8.0 / STRIDE_S - 1, abs=1)
        np.testing.assert_allclose(np.diff(frames), STRIDE_S * fps, atol=1)
        farthest = [frame - stride // 2 + int(ahead[frame - stride // 2 :][:stride].argmax()) for frame in inside]
        np.testing.assert_allclose(inside, farthest, atol=2)  # what the low-pass moves


def test_noise_adds_no_strides(walk: Walk) -> None:
    keypoints, _ = walk()
    clean = gait_events(keypoints, "left", 30.0, 1)
    keypoints[..., :2] += np.random.default_rng(0).normal(0.0, 5.0, keypoints[..., :2].shape)
    noisy = gait_events(keypoints, "left", 30.0, 1)
    for expected, found in zip(clean, noisy, strict=True):
        np.testing.assert_allclose(found, expected, atol=3)


def test_after_a_gap_the_search_starts_anew(walk: Walk) -> None:
    keypoints, _ = walk()
    whole = gait_events(keypoints, "left", 30.0, 1)
    keypoints[100:140, POINTS["hip"], :2] = np.nan
    events = gait_events(keypoints, "left", 30.0, 1)
    assert set(events.strikes) <= {frame + shift for frame in whole.strikes for shift in (-1, 0, 1)}
    assert not ((events.strikes >= 100) & (events.strikes < 140)).any()
    assert (events.strikes < 100).any()
    assert (events.strikes > 140).any()


def test_standing_and_squatting_are_no_walking(pose: Pose) -> None:
    bend = 45.0 * (1.0 - np.cos(np.arange(300) * 2.0 * np.pi / 90))
    for angles in (JointAngles(bend, bend, 0.3 * bend), JointAngles(0 * bend, 0 * bend, 0 * bend)):
        keypoints = pose(dict.fromkeys(SIDES, angles))
        # the feet stay where they are, so the hips move back
        keypoints[..., 0] -= keypoints[:, POINTS["left_ankle"], None, 0] - 800.0
        keypoints[..., :2] += np.random.default_rng(0).normal(0.0, 3.0, keypoints[..., :2].shape)
        for side in SIDES:
            assert [len(frames) for frames in gait_events(keypoints, side, 30.0, 1)] == [0, 0]


def test_a_person_who_is_not_there_has_no_strides() -> None:
    for frames in (0, 5, 40):
        events = gait_events(np.full((frames, 26, 3), np.nan), "left", 30.0, 1)
        assert [len(found) for found in events] == [0, 0]
    with pytest.raises(ElifPoseError, match="frame rate"):
        gait_events(np.zeros((3, 26, 3)), "left", 0.0, 1)


def test_cycles_are_interpolated_at_equal_shares() -> None:
    values = np.arange(40.0) ** 2
    cycles = normalise_cycles(values, np.array([3, 13, 24]), points=21)
    assert cycles.shape == (2, 21)
    np.testing.assert_allclose(cycles[0, ::2], values[3:14])
    np.testing.assert_allclose(cycles[1], np.interp(np.linspace(13, 24, 21), np.arange(40), values))
    assert normalise_cycles(values, np.array([3, 13])).shape == (1, 101)


def test_what_is_missing_stays_missing() -> None:
    values = np.arange(80.0)
    values[15] = np.inf
    cycles = normalise_cycles(values, np.array([0, 10, 20, 50, 60]), points=11)
    assert np.isnan(cycles).sum(axis=1).tolist() == [0, 1, 11, 0]  # an event is missing from 20 to 50


@pytest.mark.parametrize("events", [[], [4]])
def test_fewer_than_two_events_make_no_cycle(events: list[int]) -> None:
    assert normalise_cycles(np.zeros(10), np.array(events, dtype=np.int64)).shape == (0, 101)


@pytest.mark.parametrize("events", [[5, 3], [3, 3], [-1, 4], [4, 10]])
def test_events_that_cannot_be_are_refused(events: list[int]) -> None:
    with pytest.raises(ValueError, match="frames from 0 to 9 in order"):
        normalise_cycles(np.zeros(10), np.array(events))
    with pytest.raises(ValueError, match="at least 2 points"):
        normalise_cycles(np.zeros(10), np.array([0, 5]), points=1)
