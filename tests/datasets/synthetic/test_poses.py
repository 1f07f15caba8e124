import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.synthetic.body import LANDMARKS, SEGMENT_OFFSETS, SEGMENTS, place
from elifpose.datasets.synthetic.poses import ACTIVITIES, Pose, draw_pose, rotation_matrices

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def poses() -> list[Pose]:
    return [draw_pose(np.random.default_rng(seed)) for seed in range(300)]


def posed(pose: Pose) -> Array:
    return place(pose.rotations, SEGMENT_OFFSETS, 1.0, pose.flat_feet).landmarks


def angle(landmarks: Array, start: str, middle: str, end: str) -> float:
    """Bend at a joint: 0 when straight, degrees."""
    first = landmarks[LANDMARKS[middle]] - landmarks[LANDMARKS[start]]
    second = landmarks[LANDMARKS[end]] - landmarks[LANDMARKS[middle]]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def test_rotations_are_products_of_elementary_ones() -> None:
    a, b, c = 0.3, -0.7, 1.1
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    np.testing.assert_allclose(rotation_matrices(np.array([[a, b, c]]))[0], about_x @ about_z @ about_y)


def test_every_activity_occurs(poses: list[Pose]) -> None:
    assert {pose.activity for pose in poses} == set(ACTIVITIES)


def test_knees_and_elbows_bend_within_limits_and_the_right_way(poses: list[Pose]) -> None:
    for pose in poses:
        landmarks = posed(pose)
        for side in ("left", "right"):
            assert angle(landmarks, f"{side}_hip", f"{side}_knee", f"{side}_ankle") < 145.1
            assert angle(landmarks, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") < 145.1
            # In its parent's frame the shank goes back and the forearm forward.
            assert (pose.rotations[SEGMENTS.index(f"{side}_shank")] @ (0, -1, 0))[2] < 1e-6
            assert (pose.rotations[SEGMENTS.index(f"{side}_forearm")] @ (0, -1, 0))[2] > -1e-6


def test_activities_look_as_they_are_called(poses: list[Pose]) -> None:
    heights: dict[str, list[float]] = {activity: [] for activity in ACTIVITIES}
    lifted = []
    for pose in poses:
        landmarks = posed(pose)
        heights[pose.activity].append(landmarks[LANDMARKS["hip"], 1])
        if pose.activity == "balance":
            ankles = landmarks[[LANDMARKS["left_ankle"], LANDMARKS["right_ankle"]], 1]
            lifted.append(abs(ankles[0] - ankles[1]) > 0.02)
    assert min(heights["stand"]) > 0.48
    assert max(heights["sit"]) < 0.40
    assert min(heights["squat"]) < 0.25
    assert np.mean(lifted) > 0.9


def test_arms_reach_up_and_hang_down(poses: list[Pose]) -> None:
    landmarks = np.stack([posed(pose) for pose in poses])
    raised = landmarks[:, LANDMARKS["left_wrist"], 1] - landmarks[:, LANDMARKS["left_shoulder"], 1]
    assert raised.max() > 0.25
    assert raised.min() < -0.30


def test_most_idle_arms_hang() -> None:
    standing = [
        pose for pose in (draw_pose(np.random.default_rng(seed)) for seed in range(2000)) if pose.activity == "stand"
    ]
    hanging = [
        all(
            (pose.rotations[SEGMENTS.index(f"{side}_{part}")] @ (0, -1, 0))[1] < -0.8
            for part in ("upper_arm", "forearm")
        )
        for pose in standing
        for side in ("left", "right")
    ]
    assert 0.33 < np.mean(hanging) < 0.46  # drawn with 0.38; a few of the other arms look alike


def test_sides_are_used_alike(poses: list[Pose]) -> None:
    landmarks = np.stack([posed(pose) for pose in poses])
    forward = landmarks[:, LANDMARKS["left_wrist"], 2] - landmarks[:, LANDMARKS["right_wrist"], 2]
    assert abs(forward.mean()) < 0.04
    assert forward.std() > 0.1
