"""A person of sticks with known angles, and the stored trajectories that Sports2D analysed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics.angles import Facing, JointAngles
from elifpose.biomechanics.points import POINTS, SIDES, FloatArray, Side

Pose = Callable[..., FloatArray]
Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]
Angles = dict[tuple[str, str], FloatArray]


@pytest.fixture(scope="session")
def pose() -> Pose:
    """Of angles per side: keypoints of a person of sticks in orthographic view."""
    return _pose


@pytest.fixture(scope="session")
def walk() -> Walk:
    """Keypoints of a walking person of sticks, and the angles that they were made from."""
    return _walk


def _pose(
    angles: dict[Side, JointAngles],
    *,
    facing: Facing = 1,
    yaw: float = 0.0,
    lean: float = 0.0,
    x: FloatArray | float = 0.0,
    height: float = 500.0,
) -> FloatArray:
    """A person with the hip centre at ``x``, the trunk leaning forwards, turned by ``yaw`` degrees from side-on."""
    frames = len(angles["left"].hip)
    hip = np.zeros((frames, 3))
    hip[:, 0] = x
    upwards = np.full(frames, 180.0 - lean)
    far = np.array([0.0, 0.0, height * facing])  # of a person facing right, the left leg is far from the camera

    def along(degrees: FloatArray, length: float) -> FloatArray:
        """A stick that hangs down at 0 and points forwards at 90."""
        radians = np.radians(degrees)
        return length * height * np.stack([facing * np.sin(radians), np.cos(radians), np.zeros(frames)], axis=-1)

    points = {"hip": hip, "neck": hip + along(upwards, 0.288)}
    points["head"] = points["neck"] + along(upwards, 0.18)
    points["nose"] = points["neck"] + along(upwards, 0.1) + along(upwards - 90.0, 0.07)
    for side, angle in angles.items():
        outwards = far if side == "left" else -far
        thigh = angle.hip - lean
        shank = thigh - angle.knee
        foot = shank + 90.0 + angle.ankle
        points[f"{side}_hip"] = hip + 0.0955 * outwards
        points[f"{side}_shoulder"] = points["neck"] + 0.1295 * outwards
        points[f"{side}_knee"] = points[f"{side}_hip"] + along(thigh, 0.245)
        points[f"{side}_ankle"] = points[f"{side}_knee"] + along(shank, 0.246)
        points[f"{side}_heel"] = points[f"{side}_ankle"] + along(shank, 0.039) - along(foot, 0.04)
        points[f"{side}_big_toe"] = points[f"{side}_heel"] + along(foot, 0.152)
        points[f"{side}_small_toe"] = points[f"{side}_heel"] + along(foot, 0.13)
    keypoints = np.full((frames, 26, 3), np.nan)
    keypoints[..., 2] = 0.9
    for name, place in points.items():
        turned = place[:, 0] * np.cos(np.radians(yaw)) + place[:, 2] * np.sin(np.radians(yaw))
        keypoints[:, POINTS[name], :2] = np.stack([turned + 800.0, place[:, 1] + 400.0], axis=-1)
    return keypoints


def _walk(
    seconds: float = 8.0, fps: float = 30.0, *, facing: Facing = 1, yaw: float = 0.0
) -> tuple[FloatArray, dict[Side, JointAngles]]:
    """Strides of 1.1 s with angles such as level walking has (Winter 2009), the trunk leaning forwards by 5°."""
    time = np.arange(round(seconds * fps)) / fps
    angles: dict[Side, JointAngles] = {}
    for side, phase in zip(SIDES, (0.0, 0.5), strict=True):
        p = 2.0 * np.pi * (time / 1.1 + phase)
        hip = 10.0 + 20.0 * np.cos(p) + 4.0 * np.cos(2.0 * p - 1.0)
        knee = np.maximum(23.0 - 18.0 * np.cos(p + 0.9) + 16.0 * np.cos(2.0 * p - 1.7), 2.0)
        angles[side] = JointAngles(hip, knee, 1.0 - 6.0 * np.sin(p) + 8.0 * np.cos(2.0 * p + 1.5))
    return _pose(angles, facing=facing, yaw=yaw, lean=5.0, x=facing * 375.0 * time), angles


@pytest.fixture(scope="session", params=["right", "left"])
def recorded(reference: Path, request: pytest.FixtureRequest) -> tuple[FloatArray, Angles, Angles]:
    """The stored trial of a person who faces right or left, 180 frames at 30 per second.

    Keypoints, true angles, and those that Sports2D computed and filtered, by ``(side, joint)`` in degrees.
    """
    letter = request.param[0].upper()
    columns = np.genfromtxt(reference / f"sports2d_truth_{letter}.csv", delimiter=",", names=True)
    joints = {"hip": "hip", "knee": "knee", "ank": "ankle"}
    truth: Angles = {(side, joint): columns[side[0] + short] for side in SIDES for short, joint in joints.items()}
    keypoints = _read_trc(reference / f"sports2d_input_{letter}_px.trc")
    return keypoints, truth, _read_mot(reference / f"sports2d_angles_filtered_{letter}.mot")


@pytest.fixture(scope="session")
def sports2d_raw(reference: Path) -> Angles:
    """What Sports2D made of the right-facing trial without its filter; the left-facing one is its mirror image."""
    return _read_mot(reference / "sports2d_angles_raw_R.mot")


def _read_mot(path: Path) -> Angles:
    """Columns of a ``.mot`` named "side joint"."""
    lines = path.read_text().splitlines()
    start = lines.index("endheader") + 1
    rows = np.array([[float(value) for value in line.split("\t")] for line in lines[start + 1 :]])
    names = [name.split(" ") for name in lines[start].split("\t")]
    return {(name[0], name[1]): rows[:, index] for index, name in enumerate(names) if len(name) == 2}


def _read_trc(path: Path) -> FloatArray:
    """Keypoints from markers with names such as RBigToe."""
    lines = path.read_text().splitlines()
    places = {name: 2 + 3 * index for index, name in enumerate(name for name in lines[3].split("\t")[2:] if name)}
    rows = np.array([[float(value) for value in line.split("\t") if value] for line in lines[5:] if line])
    keypoints = np.full((len(rows), 26, 3), np.nan)
    keypoints[..., 2] = 1.0
    for name, index in POINTS.items():
        side, _, rest = name.partition("_")
        marker = side[0].upper() + rest.title().replace("_", "") if side in SIDES else name.title()
        keypoints[:, index, :2] = rows[:, places[marker] : places[marker] + 2]
    return keypoints
