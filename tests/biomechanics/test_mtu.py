import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.biomechanics.angles import JointAngles, joint_angles
from elifpose.biomechanics.filtering import butterworth_lowpass
from elifpose.biomechanics.mtu import (
    in_stated_range,
    mtu_length,
    mtu_velocity,
    neutral_length,
    relative_length,
    standing_length,
)
from elifpose.biomechanics.muscles import DEFAULT_MUSCLES, muscle_model
from elifpose.biomechanics.points import SIDES, FloatArray, Side
from elifpose.biomechanics.segments import segment_lengths
from elifpose.utils.errors import ElifPoseError

Walk = Callable[..., tuple[FloatArray, dict[Side, JointAngles]]]

HAWKINS_HULL, GRIEVE = "hawkins_hull_1990", "grieve_1978"
VASTI = ("lateralis", "intermedius", "medialis")
NAN = np.full(3, np.nan)


@pytest.fixture(scope="module")
def stored(reference: Path) -> Any:
    return json.loads((reference / "muscle_tendon.json").read_text())


def root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_hawkins_and_hull_equal_the_stored_vectors(stored: Any) -> None:
    tests = stored["hawkins_hull_tests"]
    joints = ("hip_flexion_deg", "knee_flexion_deg", "ankle_dorsiflexion_deg")
    angles = [np.array([test[joint] for test in tests]) for joint in joints]
    for muscle in muscle_model(HAWKINS_HULL).muscles:
        expected = [test["L_over_segment"][muscle] for test in tests]
        np.testing.assert_allclose(mtu_length(HAWKINS_HULL, muscle, *angles), expected, rtol=0, atol=1e-6)


def test_grieve_equals_the_stored_vectors(stored: Any) -> None:
    tests = stored["grieve_1978"]["tests"]
    knee, ankle = (np.array([test[joint] for test in tests], dtype=np.float64) for joint in ("knee", "ankle"))
    hip = np.full(len(tests), np.nan)
    for muscle, key in (("gastrocnemius", "gastrocnemius_pct"), ("soleus", "ankle_part_pct")):
        found = mtu_length(GRIEVE, muscle, hip, knee, ankle - 90.0)
        np.testing.assert_allclose(found, [test[key] for test in tests], rtol=0, atol=1e-6)


def test_the_published_neutral_length_of_the_gastrocnemius() -> None:
    assert round(100 * neutral_length(HAWKINS_HULL, "gastrocnemius_medialis")) == 109


def test_only_the_joints_that_a_muscle_crosses_are_needed() -> None:
    crossed = {
        **dict.fromkeys(("soleus", "tibialis_anterior"), "ankle"),
        **dict.fromkeys(
            ("biceps_femoris_short", "vastus_lateralis", "vastus_intermedius", "vastus_medialis"), "knee"
        ),
        "iliopsoas": "hip",
    }
    known = np.array([10.0, 20.0, 30.0])
    for muscle in muscle_model(HAWKINS_HULL).muscles:
        for joint in JointAngles._fields:
            angles = JointAngles(NAN, NAN, NAN)._replace(**{joint: known})
            assert np.isfinite(mtu_length(HAWKINS_HULL, muscle, *angles)).all() == (crossed.get(muscle) == joint)


def test_without_feet_the_thigh_s_muscles_stay() -> None:
    bent = np.array([10.0, 20.0, 30.0])
    known = {
        muscle: np.isfinite(mtu_length(HAWKINS_HULL, muscle, bent, bent, NAN)).all() for muscle in DEFAULT_MUSCLES
    }
    assert known == {name: muscle_model(HAWKINS_HULL).muscle(name).segment == "thigh" for name in DEFAULT_MUSCLES}


def test_radians_would_show_next_to_no_change(walk: Walk) -> None:
    hip, knee, ankle = walk()[1]["left"]
    true = mtu_length(HAWKINS_HULL, "gastrocnemius_medialis", hip, knee, ankle)
    wrong = mtu_length(HAWKINS_HULL, "gastrocnemius_medialis", *np.radians([hip, knee, ankle]))
    assert np.ptp(true) > 20 * np.ptp(wrong)


def test_hyperextension_lengthens_the_gastrocnemius() -> None:
    knee = np.array([0.0, -10.0])
    lengths = mtu_length(HAWKINS_HULL, "gastrocnemius_medialis", 0 * knee, knee, 0 * knee)
    assert lengths[1] - lengths[0] == pytest.approx(0.0062)


def test_percent_of_neutral_standing() -> None:
    hip, knee, ankle = np.array([[0.0, 30.0, 0.0, 0.0], [0.0, 0.0, 90.0, 0.0], [0.0, 0.0, 0.0, 20.0]])

    def percent(model: str, muscle: str) -> FloatArray:
        return relative_length(model, muscle, mtu_length(model, muscle, hip, knee, ankle))

    np.testing.assert_allclose(percent(HAWKINS_HULL, "biceps_femoris_long")[:2], [100, 106.0], atol=0.05)
    np.testing.assert_allclose(percent(HAWKINS_HULL, "gastrocnemius_medialis")[2:], [94.9, 103.9], atol=0.05)
    np.testing.assert_allclose(percent(HAWKINS_HULL, "soleus")[2:], [100, 105.2], atol=0.05)
    shank = neutral_length(HAWKINS_HULL, "gastrocnemius_medialis")
    np.testing.assert_allclose(
        percent(GRIEVE, "gastrocnemius"), 100 + np.array([0, 0, -6.2973, 3.5882]) / shank, atol=1e-3
    )


def test_a_standing_window_gives_the_neutral_length() -> None:
    lengths = np.array([np.nan, 1.2, 1.3, 9.0, 1.1])
    time = np.arange(5) / 10
    neutral = standing_length(lengths, time, 0.0, 0.2)
    assert neutral == pytest.approx(1.25)
    assert relative_length(HAWKINS_HULL, "soleus", lengths, neutral)[4] == pytest.approx(88)
    with pytest.raises(ElifPoseError, match=r"from 2 to 3 s.*choose a time"):
        standing_length(lengths, time, 2.0, 3.0)
    with pytest.raises(ElifPoseError, match="must be positive"):
        relative_length(HAWKINS_HULL, "soleus", lengths, np.nan)


def test_velocity_is_the_derivative() -> None:
    time = np.arange(120) / 60
    velocity = mtu_velocity(np.sin(2 * np.pi * time), 60.0)
    np.testing.assert_allclose(velocity[1:-1], 2 * np.pi * np.cos(2 * np.pi * time[1:-1]), atol=0.02)
    np.testing.assert_allclose(mtu_velocity(5 + 3 * time, 60.0), 3)


def test_velocity_is_unknown_in_gaps_and_beside_them() -> None:
    lengths = np.arange(8.0)
    lengths[3] = np.nan
    assert np.isnan(mtu_velocity(lengths, 30.0)).nonzero()[0].tolist() == [2, 3, 4]
    assert np.isnan(mtu_velocity(lengths[:1], 30.0)).all()
    with pytest.raises(ElifPoseError, match="frame rate"):
        mtu_velocity(lengths, -1.0)


def test_the_model_s_own_range_of_the_ankle() -> None:
    ankle = np.array([-30.5, -30, 0, 30, 31, np.nan])
    assert in_stated_range(HAWKINS_HULL, "soleus", ankle).tolist() == [False, True, True, True, False, False]
    assert in_stated_range(HAWKINS_HULL, "rectus_femoris", ankle).all()
    assert in_stated_range(GRIEVE, "soleus", ankle).all()


def noisy_walk(walk: Walk, smooth: bool) -> tuple[FloatArray, dict[Side, JointAngles], dict[Side, JointAngles]]:
    """A minute of two legs at 60 frames per second, a body of 500 pixels, 5 pixels of noise on each axis."""
    keypoints, true = walk(seconds=60.0, fps=60.0)
    keypoints[..., :2] += np.random.default_rng(0).normal(0.0, 5.0, keypoints[..., :2].shape)
    found = {side: joint_angles(keypoints, side) for side in SIDES}
    if smooth:
        found = {side: JointAngles(*(butterworth_lowpass(angle, 60.0) for angle in found[side])) for side in SIDES}
    return keypoints, true, found


def test_keypoint_noise_becomes_the_expected_error_of_the_angles(walk: Walk) -> None:
    """Of two vectors from four points, and at the knee from three: the errors of small angles."""
    _, true, found = noisy_walk(walk, smooth=False)
    thigh, shank, foot, trunk = 122.5, 123.0, 76.0, 144.0
    for side in SIDES:
        knee = np.cos(np.radians(true[side].knee)).mean() / (thigh * shank)
        expected = {
            "hip": thigh**-2 + trunk**-2,
            "knee": thigh**-2 + shank**-2 + knee,
            "ankle": shank**-2 + foot**-2,
        }
        for joint, variance in expected.items():
            error = getattr(found[side], joint) - getattr(true[side], joint)
            assert root_mean_square(error) == pytest.approx(np.degrees(5.0 * np.sqrt(2.0 * variance)), rel=0.04)


@pytest.mark.parametrize(
    ("smooth", "case"), [(False, "white 5px/axis raw 60fps"), (True, "white 5px/axis +BW6Hz 60fps")]
)
def test_keypoint_noise_becomes_errors_as_in_an_earlier_study(
    walk: Walk, stored: Any, smooth: bool, case: str
) -> None:
    """A Monte Carlo study of a similar gait; its trunk and trials were shorter, so its hip is worse."""
    expected = stored["monte_carlo"][case]
    keypoints, true, found = noisy_walk(walk, smooth)
    for joint in JointAngles._fields:
        error = np.concatenate([getattr(found[side], joint) - getattr(true[side], joint) for side in SIDES])
        assert root_mean_square(error) == pytest.approx(expected["angle_rmse_deg"][joint], rel=0.2)
    measured = segment_lengths(keypoints, "left")
    scales = {"thigh": measured.thigh / 122.5, "shank": measured.shank / 123.0}
    for muscle in DEFAULT_MUSCLES:
        scale = scales[muscle_model(HAWKINS_HULL).muscle(muscle).segment]
        lengths = mtu_length(HAWKINS_HULL, muscle, *true["left"])
        error = 100 * (scale * mtu_length(HAWKINS_HULL, muscle, *found["left"]) / lengths - 1)
        assert root_mean_square(error) == pytest.approx(expected["mtu_rmse_pct_fixed_segment"][muscle], rel=0.4)
