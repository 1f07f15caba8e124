from collections.abc import Callable

import numpy as np
import pytest

from elifpose.biomechanics.angles import Facing, JointAngles, facing_direction, foot_direction, joint_angles
from elifpose.biomechanics.filtering import butterworth_lowpass
from elifpose.biomechanics.points import POINTS, SIDES, FloatArray, Side
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

Pose = Callable[..., FloatArray]
Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]
Angles = dict[tuple[str, str], FloatArray]
Recorded = tuple[FloatArray, Angles, Angles]


def still(hip: float = 0.0, knee: float = 0.0, ankle: float = 0.0) -> dict[Side, JointAngles]:
    angles = JointAngles(*(np.full(1, value) for value in (hip, knee, ankle)))
    return {"left": angles, "right": angles}


def test_raw_angles_equal_those_of_sports2d(recorded: Recorded, sports2d_raw: Angles) -> None:
    """All but the first frame, in which Sports2D repeats its second."""
    keypoints, _, _ = recorded
    for side in SIDES:
        for joint, found in joint_angles(keypoints, side)._asdict().items():
            expected = sports2d_raw[side, joint]
            np.testing.assert_allclose(
                found[1:], expected[1:], rtol=0, atol=1e-3
            )  # its first frame repeats its second


def test_filtered_angles_equal_those_of_sports2d(recorded: Recorded) -> None:
    keypoints, _, filtered = recorded
    interior = slice(10, -10)
    second_twice = keypoints[[1, *range(1, len(keypoints))]]
    for side in SIDES:
        pairs = zip(joint_angles(keypoints, side), joint_angles(second_twice, side), JointAngles._fields, strict=True)
        for ours, as_sports2d, joint in pairs:
            expected = filtered[side, joint]
            np.testing.assert_allclose(butterworth_lowpass(ours, 30.0)[interior], expected[interior], atol=0.05)
            np.testing.assert_allclose(butterworth_lowpass(as_sports2d, 30.0), expected, atol=1e-6)


def test_angles_equal_the_true_ones_of_the_stored_trial(recorded: Recorded) -> None:
    keypoints, truth, _ = recorded
    for side in SIDES:
        for joint, found in joint_angles(keypoints, side)._asdict().items():
            np.testing.assert_allclose(found, truth[side, joint], atol=1e-3)  # pixels are stored to four decimals


@pytest.mark.parametrize("facing", [1, -1])
def test_angles_are_those_that_a_figure_was_drawn_with(walk: Walk, facing: Facing) -> None:
    keypoints, angles = walk(facing=facing)
    for side in SIDES:
        np.testing.assert_allclose(joint_angles(keypoints, side), angles[side], atol=1e-9)


@pytest.mark.parametrize("hip", [-30.0, 0.0, 120.0])
@pytest.mark.parametrize("knee", [-15.0, 0.0, 90.0, 150.0])
@pytest.mark.parametrize("ankle", [-50.0, 0.0, 30.0])
def test_every_posture_keeps_its_sign(pose: Pose, hip: float, knee: float, ankle: float) -> None:
    for facing in (1, -1):
        found = joint_angles(pose(still(hip, knee, ankle), facing=facing), "right", 1 if facing == 1 else -1)
        np.testing.assert_allclose(np.ravel(found), [hip, knee, ankle], atol=1e-9)


def test_a_mirrored_image_has_the_same_angles(walk: Walk) -> None:
    keypoints, _ = walk(seconds=1.0, yaw=10.0)
    mirrored = keypoints[:, HALPE26.flip_indices]
    mirrored[..., 0] = 1920 - 1 - mirrored[..., 0]
    assert facing_direction(mirrored) == -facing_direction(keypoints)
    for side, other in (SIDES, SIDES[::-1]):
        np.testing.assert_allclose(joint_angles(mirrored, other), joint_angles(keypoints, side), atol=1e-9)


def test_scale_place_and_tilt_of_the_camera_change_nothing(walk: Walk) -> None:
    keypoints, _ = walk(seconds=1.0)
    turn = np.radians(25.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = keypoints.copy()
    moved[..., :2] = 3.0 * keypoints[..., :2] @ rotation.T + [40.0, -900.0]
    for side in SIDES:
        np.testing.assert_allclose(joint_angles(moved, side, 1), joint_angles(keypoints, side, 1), atol=1e-9)


def test_x_and_y_of_different_scale_are_not_the_same_angles(pose: Pose) -> None:
    """Why pixels must be as recorded: 60° in a 9:16 frame whose x and y were divided by its width and height."""
    keypoints = pose(still(hip=30.0, knee=60.0))
    keypoints[..., :2] /= [1080.0, 1920.0]
    assert joint_angles(keypoints, "left").knee[0] == pytest.approx(91.5, abs=0.5)


def test_only_the_angles_of_a_missing_point_are_missing(walk: Walk) -> None:
    keypoints, angles = walk(seconds=1.0)
    keypoints[3, POINTS["left_heel"], 0] = np.inf
    keypoints[4, POINTS["neck"], 1] = np.nan
    keypoints[5, POINTS["left_ankle"], :2] = keypoints[5, POINTS["left_knee"], :2]  # a segment without length
    found = joint_angles(keypoints, "left")
    assert [np.isnan(values).nonzero()[0].tolist() for values in found] == [[4], [5], [3, 5]]
    np.testing.assert_allclose(joint_angles(keypoints, "right").ankle, angles["right"].ankle, atol=1e-9)


def test_one_bad_frame_does_not_turn_those_after_it(pose: Pose) -> None:
    """Unwrapping over time would: 20°, 150°, −80°, 20° becomes 20°, 150°, 280°, 380°."""
    knees = np.array([20.0, 150.0, -80.0, 20.0])
    zero = np.zeros(4)
    keypoints = pose({side: JointAngles(zero, knees, zero) for side in SIDES})
    np.testing.assert_allclose(joint_angles(keypoints, "left", 1).knee, knees, atol=1e-9)


def test_the_side_faced_is_that_of_most_frames(walk: Walk) -> None:
    keypoints, _ = walk(seconds=2.0)
    backwards, _ = walk(seconds=2.0, facing=-1)
    keypoints[:20] = backwards[:20]
    assert facing_direction(keypoints) == 1
    assert (np.sign(foot_direction(keypoints)) == np.repeat([-1, 1], [20, 40])).all()


def test_without_feet_the_nose_tells_the_side_faced(walk: Walk) -> None:
    for facing in (1, -1):
        keypoints, _ = walk(seconds=1.0, facing=facing)
        keypoints[:, [POINTS["left_heel"], POINTS["right_big_toe"]], :2] = np.nan
        assert np.isnan(foot_direction(keypoints)).all()
        assert facing_direction(keypoints) == facing
        keypoints[:, POINTS["nose"], :2] = np.nan
        with pytest.raises(ElifPoseError, match="which way the person faces"):
            facing_direction(keypoints)


def test_wrong_arguments_are_refused(walk: Walk) -> None:
    keypoints, _ = walk(seconds=0.1)
    with pytest.raises(ValueError, match="left or right"):
        joint_angles(keypoints, "both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="−1 or 1"):
        joint_angles(keypoints, "left", 0)  # type: ignore[arg-type]
