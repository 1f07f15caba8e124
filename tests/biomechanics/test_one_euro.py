import math

import numpy as np
import pytest

from elifpose.biomechanics.one_euro import OneEuroFilter
from elifpose.biomechanics.points import FloatArray


def run(values: FloatArray, fps: float, smooth: OneEuroFilter) -> FloatArray:
    return np.array([smooth(value, index / fps) for index, value in enumerate(values)])


def test_without_speed_it_is_exponential_smoothing() -> None:
    values = np.random.default_rng(0).normal(size=20)
    share = 1 / (1 + 30 / (2 * math.pi * 3))
    expected = [values[0]]
    for value in values[1:]:
        expected.append(expected[-1] + share * (value - expected[-1]))
    np.testing.assert_allclose(run(values, 30.0, OneEuroFilter(3.0, beta=0.0)), expected, rtol=1e-12)


def test_fast_movement_is_followed_more_closely() -> None:
    ramp = 300 * np.arange(60) / 30
    delays = [(ramp - run(ramp, 30.0, OneEuroFilter(beta=beta)))[-1] / 300 for beta in (0.0, 0.02)]
    assert delays[0] == pytest.approx(1 / (2 * math.pi * 2), rel=0.01)  # that of a first-order low-pass, in seconds
    # the speed is taken from the smooth value before, which lags behind
    assert delays[1] == pytest.approx(1 / (2 * math.pi * (2 + 0.02 * 300 * (1 + 30 * delays[1]))), rel=0.01)


def test_jitter_at_rest_becomes_smaller() -> None:
    noise = np.random.default_rng(1).normal(size=(900, 4))
    assert run(noise, 30.0, OneEuroFilter())[100:].std() < 0.6


def test_a_missing_component_leaves_the_others_alone() -> None:
    values = np.random.default_rng(2).normal(size=(40, 2))
    holes = values.copy()
    holes[10:13, 0], holes[0, 1] = np.nan, np.inf
    smooth = run(holes, 30.0, OneEuroFilter())
    assert np.isnan(smooth[:, 0]).nonzero()[0].tolist() == [10, 11, 12]
    np.testing.assert_allclose(smooth[:10, 0], run(values[:10, :1], 30.0, OneEuroFilter())[:, 0], rtol=1e-12)
    np.testing.assert_allclose(smooth[1:, 1], run(values[1:, 1:], 30.0, OneEuroFilter())[:, 0], rtol=1e-12)


def test_after_a_long_gap_the_new_value_counts_alone() -> None:
    smooth = OneEuroFilter()
    smooth(np.array([0.0]), 0.0)
    assert smooth(np.array([100.0]), 60.0)[0] == pytest.approx(100, rel=0.01)


def test_wrong_use_is_refused() -> None:
    smooth = OneEuroFilter()
    smooth(np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="advance"):
        smooth(np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="shape"):
        smooth(np.zeros(3), 2.0)
    with pytest.raises(ValueError, match="positive"):
        OneEuroFilter(min_cutoff_hz=0.0)
