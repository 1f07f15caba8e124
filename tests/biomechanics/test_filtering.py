import numpy as np
import pytest

from elifpose.biomechanics.filtering import butterworth_lowpass, fill_gaps, gate_keypoints, too_short_to_filter
from elifpose.utils.errors import ElifPoseError

NAN = np.nan


def test_a_doubtful_point_goes_and_its_score_stays() -> None:
    keypoints = np.ones((1, 26, 3))
    keypoints[0, :4, 2] = [0.29, 0.3, np.nan, -1]
    gated = gate_keypoints(keypoints)
    assert np.isnan(gated[0, :, 0]).nonzero()[0].tolist() == [0, 2, 3]
    np.testing.assert_array_equal(gated[..., 2], keypoints[..., 2])


def test_short_gaps_are_bridged_by_a_line_and_others_stay() -> None:
    values = np.array([NAN, 1.0, NAN, NAN, 4.0, NAN, NAN, NAN, 0.0, np.inf])
    expected = [NAN, 1.0, 2.0, 3.0, 4.0, NAN, NAN, NAN, 0.0, NAN]
    np.testing.assert_allclose(fill_gaps(values, fps=10.0), expected)  # 0.2 s are two frames


def test_each_column_has_its_own_gaps() -> None:
    keypoints = np.random.default_rng(0).uniform(0, 100, (9, 26, 3))
    holes = keypoints.copy()
    holes[4, 7, :2] = NAN
    holes[0, 8, :2] = NAN
    filled = fill_gaps(holes, fps=30.0)
    np.testing.assert_allclose(filled[4, 7, :2], keypoints[[3, 5], 7, :2].mean(axis=0))
    assert np.isnan(filled).sum() == 2
    assert np.isnan(holes[4, 7, 0])  # the caller's own array stays


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("cutoff_hz", [1.0, 6.0, 14.0])
def test_the_lowpass_equals_scipy(order: int, cutoff_hz: float) -> None:
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(1).normal(size=(200, 2, 3)).cumsum(axis=0)
    expected = signal.filtfilt(*signal.butter(order // 2, cutoff_hz / 15), values, axis=0)
    np.testing.assert_allclose(butterworth_lowpass(values, 30.0, cutoff_hz, order), expected, rtol=0, atol=1e-9)


def test_the_lowpass_halves_the_cutoff_and_has_no_delay() -> None:
    time = np.arange(600) / 60
    slow, fast = np.sin(2 * np.pi * 0.5 * time), np.sin(2 * np.pi * 6 * time)
    inside = slice(100, 500)
    np.testing.assert_allclose(butterworth_lowpass(slow, 60.0)[inside], slow[inside], atol=1e-3)
    np.testing.assert_allclose(butterworth_lowpass(fast, 60.0)[inside], fast[inside] / 2, atol=1e-6)


def test_stretches_between_gaps_are_filtered_by_themselves() -> None:
    noise = np.random.default_rng(2).normal(size=60)
    values = noise.copy()
    values[[20, 30]] = NAN
    values[31] = np.inf
    smooth = butterworth_lowpass(values, 30.0)
    assert np.isnan(smooth).nonzero()[0].tolist() == [20, 30, 31]
    np.testing.assert_allclose(smooth[:20], butterworth_lowpass(noise[:20], 30.0), rtol=1e-12)
    np.testing.assert_allclose(smooth[32:], butterworth_lowpass(noise[32:], 30.0), rtol=1e-12)
    np.testing.assert_array_equal(smooth[21:30], noise[21:30])  # nine samples are too few
    assert too_short_to_filter(values).nonzero()[0].tolist() == list(range(21, 30))


@pytest.mark.parametrize(("samples", "short"), [(1, True), (9, True), (10, False)])
def test_ten_samples_are_enough(samples: int, short: bool) -> None:
    values = np.random.default_rng(3).normal(size=samples)
    assert bool(too_short_to_filter(values).all()) is short
    assert np.array_equal(butterworth_lowpass(values, 30.0), values) is short


def test_how_an_array_lies_in_memory_is_of_no_matter() -> None:
    values = np.random.default_rng(4).normal(size=(30, 4, 2))
    values[7] = NAN
    for function in (fill_gaps, butterworth_lowpass):
        np.testing.assert_array_equal(function(np.asfortranarray(values), 30.0), function(values, 30.0))


def test_nothing_gives_nothing() -> None:
    assert butterworth_lowpass(np.zeros((0, 3)), 30.0).shape == (0, 3)
    assert fill_gaps(np.zeros((0, 3)), 30.0).shape == (0, 3)
    assert np.isnan(butterworth_lowpass(np.full(20, NAN), 30.0)).all()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ElifPoseError, match="cut-off of 6 Hz cannot be had from 12 frames per second"):
        butterworth_lowpass(np.zeros(20), 12.0)
    with pytest.raises(ElifPoseError, match="frame rate"):
        fill_gaps(np.zeros(20), 0.0)
    for order in (0, 5):
        with pytest.raises(ValueError, match="even"):
            butterworth_lowpass(np.zeros(20), 30.0, order=order)
