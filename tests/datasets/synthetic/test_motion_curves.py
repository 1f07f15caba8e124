"""Joint angles over time."""

import numpy as np
import pytest

from elifpose.datasets.synthetic.motion_curves import MOTIONS, SIDES, squat, walk

PERIODS_S = {"walk": 1.1, "squat": 3.0, "balance": 4.0}


@pytest.mark.parametrize("motion", MOTIONS)
def test_motions_stay_within_what_joints_can_do(motion: str) -> None:
    curves = MOTIONS[motion](np.arange(0.0, 10.0, 0.01))
    for side in SIDES:
        leg = curves.legs[side]
        assert -15 < leg.hip.min() < leg.hip.max() < 120
        assert 0 < leg.knee.min() < leg.knee.max() < 120
        assert -20 < leg.ankle.min() < leg.ankle.max() < 30
        speed = np.abs(np.diff(np.stack(leg))).max() / 0.01
        assert speed < 500  # degrees per second: the knee's in the swing of walking is about 400


@pytest.mark.parametrize("motion", ["walk", "squat"])
def test_motions_repeat(motion: str) -> None:
    times = np.linspace(0.0, 1.0, 20)
    first, second = MOTIONS[motion](times), MOTIONS[motion](times + PERIODS_S[motion])
    for side in SIDES:
        np.testing.assert_allclose(first.legs[side], second.legs[side], atol=1e-9)


def test_legs_of_a_walk_are_half_a_stride_apart() -> None:
    times = np.linspace(0.0, 1.0, 20)
    right, left = walk(times).legs["right"], walk(times + 1.1 / 2).legs["left"]
    np.testing.assert_allclose(right, left, atol=1e-9)


def test_a_walk_looks_like_gait() -> None:
    stride = np.linspace(0.0, 1.0, 101)
    leg = walk(1.1 * stride).legs["right"]
    assert leg.hip[0] > 20
    assert 0.45 < stride[leg.hip.argmin()] < 0.6  # extended before the toes leave
    assert 0.65 < stride[leg.knee.argmax()] < 0.8  # bent most in the swing
    assert leg.knee[5:30].max() > leg.knee[40] + 3  # gives way when loaded
    assert 0.35 < stride[leg.ankle.argmax()] < 0.5
    assert 0.58 < stride[leg.ankle.argmin()] < 0.7  # pushes off


def test_feet_of_a_squat_are_level() -> None:
    curves = squat(np.linspace(0.0, 3.0, 50))
    leg = curves.legs["left"]
    np.testing.assert_allclose(curves.trunk - leg.hip + leg.knee - leg.ankle, 0.0, atol=1e-9)
