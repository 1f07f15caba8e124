"""A person who moves: geometry, and the files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.datasets.synthetic.body import LANDMARKS
from elifpose.datasets.synthetic.motion import Clip, Facing, perform, write_clip
from elifpose.datasets.synthetic.motion_curves import MOTIONS
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

FACINGS: tuple[Facing, Facing] = ("right", "left")


def column(name: str) -> int:
    return HALPE26.keypoints.index(name)


@pytest.mark.parametrize("size", [(640, 480), (96, 128)])
@pytest.mark.parametrize("motion", MOTIONS)
def test_the_person_is_wholly_in_the_picture(motion: str, size: tuple[int, int]) -> None:
    for seed in range(3):
        keypoints = perform(Clip(motion, seconds=4.0, fps=10.0, size=size, seed=seed)).keypoints
        assert (keypoints > 0.02 * np.array(size)).all()
        assert (keypoints < 0.98 * np.array(size)).all()


def test_the_person_faces_the_side_that_is_asked_for_and_the_other_leg_is_far() -> None:
    for facing, sign in zip(FACINGS, (1, -1), strict=True):
        shown = perform(Clip(seconds=1.1, fps=20.0, facing=facing))
        assert np.median(sign * (shown.keypoints[:, column("nose"), 0] - shown.keypoints[:, column("neck"), 0])) > 0
        depth = shown.camera.to_camera(shown.landmarks)[..., 2]
        assert (sign * (depth[:, LANDMARKS["left_hip"]] - depth[:, LANDMARKS["right_hip"]]) > 0.1).all()


def test_facing_left_is_the_mirror_of_facing_right() -> None:
    right, left = (perform(Clip("squat", 1.0, 10.0, facing=side)).keypoints for side in FACINGS)
    middle = [column(name) for name in ("nose", "head", "neck", "hip")]
    np.testing.assert_allclose(639 - left[:, middle, 0], right[:, middle, 0], atol=1e-6)
    np.testing.assert_allclose(left[:, middle, 1], right[:, middle, 1], atol=1e-6)


def test_yaw_turns_the_person_towards_the_camera() -> None:
    side_on, turned, front = (perform(Clip("balance", 0.1, 10.0, yaw=yaw)).landmarks[0] for yaw in (0.0, 20.0, 90.0))
    for landmarks, yaw in ((side_on, 0.0), (turned, 20.0), (front, 90.0)):
        across = landmarks[LANDMARKS["right_hip"]] - landmarks[LANDMARKS["left_hip"]]
        assert np.degrees(np.arctan2(-across[0], across[2])) == pytest.approx(yaw, abs=1e-6)


def test_lengths_of_bones_do_not_change() -> None:
    landmarks = perform(Clip("walk", 1.1, 20.0)).landmarks
    for start, end in (("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("hip", "neck")):
        length = np.linalg.norm(landmarks[:, LANDMARKS[end]] - landmarks[:, LANDMARKS[start]], axis=-1)
        np.testing.assert_allclose(length, length[0], rtol=1e-9)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_truth_is_what_poses_the_body_but_for_how_its_points_lie_in_standing(motion: str) -> None:
    shown = perform(Clip(motion, 2.0, 10.0, yaw=15.0))
    for side, posing in MOTIONS[motion](shown.times_s).legs.items():
        hip, knee, ankle = np.stack(shown.angles[side]) - np.stack(posing)
        np.testing.assert_allclose(hip, hip[0], atol=1e-9)
        np.testing.assert_allclose(knee, 0.0, atol=1e-9)
        np.testing.assert_allclose(ankle, np.degrees(np.arctan(-4 / 146)), atol=1e-9)  # heel to toe, see `body`
        assert hip[0] == pytest.approx(np.degrees(np.arctan(-10 / 292)), abs=0.2)  # hip to neck; proportions vary


@pytest.mark.parametrize(
    ("clip", "told"),
    [
        (Clip(motion="fly"), "walk, squat, balance"),
        (Clip(seconds=0.0), "frames"),
        (Clip(seconds=1e6), "frames"),
        (Clip(fps=float("nan")), "fps"),
        (Clip(yaw=91.0), "yaw"),
        (Clip(seed=-1), "seed"),
        (Clip(size=(63, 48)), "even"),
    ],
)
def test_what_cannot_be_is_refused(clip: Clip, told: str) -> None:
    with pytest.raises(ElifPoseError, match=told):
        perform(clip)


def test_only_the_person_moves(tmp_path: Path) -> None:
    write_clip(tmp_path, Clip("squat", 2.0, 2.0, size=(96, 128)))
    video = cv2.VideoCapture(str(tmp_path / "squat.mp4"))
    frames = np.stack([video.read()[1] for _ in range(4)]).astype(float)
    video.release()
    change = np.abs(np.diff(frames, axis=0)).max(axis=(0, 3))
    assert change[:, :8].max() < 30  # noise of the compression
    assert change[:, 30:70].max() > 80


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ElifPoseError, match="cannot be written"):
        write_clip(tmp_path / "file", Clip(seconds=0.1, size=(64, 64)))
