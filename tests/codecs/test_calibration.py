import math

import pytest
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.utils.errors import ElifPoseError


def test_probabilities_are_logistic_in_the_raw_score() -> None:
    calibration = ScoreCalibration(temperature=0.1, offset=0.4)
    scores = torch.tensor([[0.4, 0.5], [0.3, 0.4 + 0.1 * math.log(9)]])
    expected = torch.tensor([[0.5, 1 / (1 + math.exp(-1))], [1 / (1 + math.e), 0.9]])
    torch.testing.assert_close(calibration(scores), expected)


def test_any_score_becomes_a_probability() -> None:
    probabilities = ScoreCalibration(0.01, 0.5)(torch.tensor([-1e30, -3.0, 0.0, 3.0, 1e30]))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (probabilities.diff() >= 0).all()


def test_it_exports_as_part_of_a_network() -> None:
    calibration = ScoreCalibration(0.2, 0.3)

    class Calibrated(torch.nn.Module):
        def forward(self, scores: torch.Tensor) -> torch.Tensor:
            return calibration(scores)

    scores = torch.rand(3, 17)
    exported = torch.export.export(Calibrated(), (scores,)).module()
    torch.testing.assert_close(exported(scores), calibration(scores))


@pytest.mark.parametrize(
    ("temperature", "offset"), [(0.0, 0.5), (-1.0, 0.5), (math.nan, 0.5), (math.inf, 0), (1, math.nan)]
)
def test_numbers_that_give_no_probability_are_refused(temperature: float, offset: float) -> None:
    with pytest.raises(ElifPoseError, match="give a positive temperature and a finite offset"):
        ScoreCalibration(temperature, offset)
