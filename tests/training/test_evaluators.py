import pytest

from elifpose.training.evaluators import mean_over_sets


def test_means_over_sets_leave_out_what_was_not_measured() -> None:
    first = {"AP": 0.2, "AP(M)": -1.0, "EPE": -1.0}
    second = {"AP": 0.6, "AP(M)": 0.5, "EPE": -1.0}
    assert mean_over_sets([first, second]) == pytest.approx({"AP": 0.4, "AP(M)": 0.5, "EPE": -1.0})
    assert mean_over_sets([first]) == first
