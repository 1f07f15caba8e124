import numpy as np
import pytest
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.evaluation.calibration import fit_calibration, reliability
from elifpose.evaluation.people import BoolArray, FloatArray


def outcomes(temperature: float, offset: float, count: int) -> tuple[FloatArray, BoolArray]:
    """Scores and outcomes that a calibration describes exactly."""
    rng = np.random.default_rng(0)
    scores = rng.beta(5, 2, count)
    return scores, rng.random(count) < 1 / (1 + np.exp(-(scores - offset) / temperature))


def platt_targets(correct: BoolArray) -> FloatArray:
    right, wrong = correct.sum(), (~correct).sum()
    return np.asarray(np.where(correct, (right + 1) / (right + 2), 1 / (wrong + 2)), dtype=np.float64)


@pytest.mark.parametrize(("temperature", "offset"), [(0.1, 0.5), (0.03, 0.7), (0.4, 0.2)])
def test_finds_the_calibration_that_made_the_outcomes(temperature: float, offset: float) -> None:
    found = fit_calibration(*outcomes(temperature, offset, 200_000))
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.03)
    assert found.offset == pytest.approx(offset, abs=0.01)


def test_no_other_calibration_is_likelier() -> None:
    scores, correct = outcomes(0.2, 0.6, 500)
    found = fit_calibration(scores, correct)
    assert found is not None
    parameters = torch.tensor([found.temperature, found.offset], dtype=torch.float64, requires_grad=True)
    logits = (torch.from_numpy(scores) - parameters[1]) / parameters[0]
    targets = torch.from_numpy(platt_targets(correct))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, targets).backward()  # type: ignore[no-untyped-call]
    assert parameters.grad is not None
    assert parameters.grad.abs().max() < 1e-7


def test_raw_scores_may_have_any_scale() -> None:
    scores, correct = outcomes(0.2, 0.6, 500)
    small, large = fit_calibration(scores, correct), fit_calibration(scores * 1e4 - 5e3, correct)
    assert small is not None
    assert large is not None
    assert large.temperature == pytest.approx(small.temperature * 1e4, rel=1e-9)
    assert large.offset == pytest.approx(small.offset * 1e4 - 5e3, rel=1e-9)


def test_scores_that_never_err_give_the_closed_form() -> None:
    correct = np.arange(70) < 40
    found = fit_calibration(np.where(correct, 0.75, 0.25), correct)
    assert found is not None
    # through both points: 41 of 42 at 0.75 and 1 of 32 at 0.25
    temperature = 0.5 / (np.log(41) + np.log(31))
    assert found.temperature == pytest.approx(temperature, rel=1e-6)
    assert found.offset == pytest.approx(0.75 - temperature * np.log(41), rel=1e-6)


def test_one_outlying_score_does_no_harm() -> None:
    scores, correct = outcomes(0.2, 0.6, 2000)
    scores[0], correct[0] = 50.0, True
    found, without = fit_calibration(scores, correct), fit_calibration(scores[1:], correct[1:])
    assert found is not None
    assert without is not None
    assert found.temperature == pytest.approx(without.temperature, rel=0.01)


def test_scores_that_are_not_finite_are_left_out() -> None:
    scores, correct = outcomes(0.2, 0.6, 300)
    with_gaps = np.concatenate((scores, [np.nan, np.inf])), np.concatenate((correct, [True, False]))
    assert fit_calibration(*with_gaps) == fit_calibration(scores, correct)


def test_there_may_be_nothing_to_fit() -> None:
    scores, correct = outcomes(0.2, 0.5, 400)
    nothing = [
        (scores[:0], correct[:0]),
        (scores, np.ones_like(correct)),
        (scores, np.zeros_like(correct)),
        (scores, np.arange(len(scores)) < 9),  # too few are right
        (np.full_like(scores, 0.5), correct),
        (-scores, correct),  # higher where wrong
    ]
    assert [fit_calibration(*each) for each in nothing] == [None] * len(nothing)


def test_a_fitted_calibration_is_reliable_and_raw_scores_are_not() -> None:
    scores, correct = outcomes(0.1, 0.8, 50_000)
    found = fit_calibration(scores, correct)
    assert isinstance(found, ScoreCalibration)
    assert reliability(found(torch.from_numpy(scores)).numpy(), correct).error < 0.01
    assert reliability(scores, correct).error > 0.2


def test_bins_by_hand() -> None:
    probabilities = np.array([0.0, 0.1, 0.5, 0.6, 1.0, np.nan])
    correct = np.array([False, True, False, True, True, True])
    found = reliability(probabilities, correct, bins=4)
    np.testing.assert_allclose(found.predicted, [0.05, np.nan, 0.55, 1.0])
    np.testing.assert_allclose(found.observed, [0.5, np.nan, 0.5, 1.0])
    assert found.counts.tolist() == [2, 0, 2, 1]
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.05 + 0) / 5)


def test_nothing_has_no_error() -> None:
    found = reliability(np.zeros(0), np.zeros(0, dtype=bool), bins=3)
    assert found.counts.tolist() == [0, 0, 0]
    assert np.isnan(found.predicted).all()
    assert found.error == -1
