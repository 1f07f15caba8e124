from collections.abc import Callable

import numpy as np
import pytest

from elifpose.biomechanics.angles import JointAngles
from elifpose.biomechanics.points import POINTS, SIDES, FloatArray, Side
from elifpose.biomechanics.segments import (
    body_height_pixels,
    far_side,
    pixels_per_metre,
    segment_lengths,
    unusual_segments,
    view_yaw,
)
from elifpose.utils.errors import ElifPoseError

Pose = Callable[..., FloatArray]
Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]

HEIGHT = 500.0
# the figure's heel–ankle, shank, thigh, hip–shoulder and shoulders–head, in heights, in side view
SUM = np.hypot(0.039, 0.04) + 0.246 + 0.245 + 0.288 + 1.008 * 0.18


def test_lengths_are_the_trial_s_medians(walk: Walk) -> None:
    keypoints, _ = walk()
    keypoints[:100:3, POINTS["left_ankle"], 1] += 40.0
    keypoints[5, POINTS["left_knee"], :2] = np.nan
    lengths = segment_lengths(keypoints, "left")
    np.testing.assert_allclose(lengths[:2], [0.245 * HEIGHT, 0.246 * HEIGHT], rtol=1e-9)
    flagged = unusual_segments(keypoints, "left")
    assert flagged[6:100:3].mean() > 0.9
    assert not flagged[[5, *range(100, 240)]].any()
    assert not unusual_segments(keypoints, "right").any()


def test_the_spread_is_the_standard_deviation_of_noise() -> None:
    keypoints = np.zeros((5000, 26, 3))
    keypoints[:, POINTS["right_knee"], 1] = np.random.default_rng(0).normal(200.0, 8.0, 5000)
    assert segment_lengths(keypoints, "right").thigh_spread == pytest.approx(0.04, rel=0.05)


def test_a_leg_that_is_never_seen_has_no_lengths(walk: Walk) -> None:
    keypoints, _ = walk(seconds=1.0)
    keypoints[:, POINTS["left_knee"], :2] = np.nan
    assert np.isnan(segment_lengths(keypoints, "left")).all()


def test_the_body_s_height_is_the_sum_of_its_parts(pose: Pose) -> None:
    bend = np.linspace(0.0, 60.0, 240)
    keypoints = pose({side: JointAngles(bend, bend, 0 * bend) for side in SIDES})
    keypoints[10:20, POINTS["head"], :2] = np.nan
    keypoints[:, POINTS["right_heel"], :2] = np.nan  # the other side is enough
    keypoints[:40, POINTS["head"], 1] -= 300.0  # far off: trimmed
    assert body_height_pixels(keypoints) == pytest.approx(SUM * HEIGHT, rel=1e-9)
    assert pixels_per_metre(keypoints, 1.75) == pytest.approx(SUM * HEIGHT / 1.75, rel=1e-9)


def test_crouching_frames_say_nothing_of_the_height(pose: Pose) -> None:
    bend = np.repeat([0.0, 110.0], [60, 200])
    keypoints = pose({side: JointAngles(bend, bend, 0 * bend) for side in SIDES})
    keypoints[60:, POINTS["head"], 1] -= 200.0
    assert body_height_pixels(keypoints) == pytest.approx(SUM * HEIGHT, rel=1e-9)


@pytest.mark.parametrize("height", [175.0, 0.0, -1.75, np.nan])
def test_a_height_that_is_no_person_s_is_refused(walk: Walk, height: float) -> None:
    with pytest.raises(ElifPoseError, match=r"for example, 1\.75"):
        pixels_per_metre(walk(seconds=1.0)[0], height)


def test_a_body_without_head_has_no_height(walk: Walk) -> None:
    keypoints, _ = walk(seconds=1.0)
    keypoints[:, POINTS["head"], :2] = np.nan
    with pytest.raises(ElifPoseError, match="leave out the body height"):
        pixels_per_metre(keypoints, 1.75)


@pytest.mark.parametrize("facing", [1, -1])
@pytest.mark.parametrize("yaw", [-60.0, -20.0, 0.0, 10.0, 30.0, 45.0, 90.0])
def test_the_yaw_of_the_view_is_estimated(walk: Walk, facing: int, yaw: float) -> None:
    keypoints, _ = walk(yaw=yaw, facing=facing)
    assert view_yaw(keypoints) == pytest.approx(abs(yaw), abs=3.5)
    keypoints[..., :2] += np.random.default_rng(0).normal(0.0, 4.0, keypoints[..., :2].shape)
    assert view_yaw(keypoints) == pytest.approx(abs(yaw), abs=6.0)


def test_without_feet_the_shoulders_tell_the_yaw(walk: Walk) -> None:
    keypoints, _ = walk(yaw=20.0)
    keypoints[:, [POINTS["left_heel"], POINTS["right_heel"]], :2] = np.nan
    assert view_yaw(keypoints) == pytest.approx(20.0, abs=3.0)
    keypoints[:, POINTS["left_shoulder"], :2] = np.nan
    assert np.isnan(view_yaw(keypoints))


def test_the_far_side_follows_from_the_axes_of_the_body() -> None:
    up = np.array([0.0, 1.0, 0.0])  # x to the image's right, y up, z towards the camera
    for facing, near in ((1, "right"), (-1, "left")):
        right = np.cross([facing, 0.0, 0.0], up)
        assert ("right" if right[2] > 0 else "left") == near
        assert far_side(1 if facing == 1 else -1) != near
