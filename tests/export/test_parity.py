import math

import pytest
import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.export.parity import (
    BOUNDS,
    Bound,
    Difference,
    Tie,
    check,
    compare,
    near_ties,
    pixel_distances,
    relative_difference,
)
from elifpose.export.running import Answer, Runner
from elifpose.utils.errors import ElifPoseError

ANY_BIN = Tie(apart=1, below=1e-4)
SAME = Difference(
    people=3,
    keypoints=51,
    ties=0,
    mean_px=0.0,
    max_px=0.0,
    mean_of_all_px=0.0,
    percentile_99_px=0.0,
    logits=0.0,
    mean_score=0.0,
    max_score=0.0,
)


def curves(*peaks: tuple[int, float], bins: int = 40) -> Tensor:
    """One person with one keypoint, whose logits are 0 but for some bins."""
    logits = torch.zeros(1, 1, bins)
    for at, height in peaks:
        logits[0, 0, at] = height
    return logits


def always(answer: Answer) -> Runner:
    def run(images: Tensor) -> Answer:
        return answer

    return run


def test_distances_are_those_of_pythagoras() -> None:
    first, second = torch.tensor([[[1.0, 2.0], [5.0, 5.0]]]), torch.tensor([[[4.0, 6.0], [5.0, 5.0]]])
    assert pixel_distances(first, second).tolist() == [[5.0, 0.0]]


def test_logits_differ_by_a_part_of_the_persons_range() -> None:
    logits = torch.tensor([[[-1.0, 0.0, 3.0], [0.0, 0.0, 1.0]]])  # one range for both keypoints, 4
    others = logits + torch.tensor([[[0.0, -0.4, 0.0], [0.0, 0.1, -0.2]]])
    torch.testing.assert_close(relative_difference(logits, others), torch.tensor([[0.1, 0.05]]))
    assert relative_difference(torch.ones(1, 1, 3), torch.ones(1, 1, 3)).tolist() == [[0.0]]  # no range at all


@pytest.mark.parametrize(
    ("logits", "tie", "expected"),
    [
        (curves((10, 1.0), (11, 0.99995)), ANY_BIN, True),
        (curves((10, 1.0), (11, 0.9998)), ANY_BIN, False),
        (curves((10, 1.0), (10, 1.0)), ANY_BIN, False),  # one peak
        (curves((10, 1.0), (11, 0.99995)), Tie(apart=4, below=1e-4), False),  # the bin beside does not count
        (curves((10, 1.0), (13, 0.97)), Tie(apart=4, below=0.05), False),
        (curves((10, 1.0), (14, 0.97)), Tie(apart=4, below=0.05), True),
        (curves((10, 1.0), (6, 0.97)), Tie(apart=4, below=0.05), True),
        (curves((10, 1.0), (14, 0.9)), Tie(apart=4, below=0.05), False),
    ],
)
def test_a_tie_is_a_second_bin_far_enough_and_high_enough(logits: Tensor, tie: Tie, expected: bool) -> None:
    assert near_ties(logits, tie).tolist() == [[expected]]


def test_a_tie_is_relative_to_the_persons_range() -> None:
    flat = torch.cat((curves((10, 1e-5)), curves((10, 1.0))), dim=1)  # a curve that is flat beside the other one
    assert near_ties(flat, ANY_BIN).tolist() == [[True, False]]
    assert near_ties(flat[:, :1], ANY_BIN).tolist() == [[False]]


def test_ties_are_left_out_and_counted() -> None:
    """Of four keypoints one is a tie along y and lies 30 pixels off; the others are 0, 0 and 0.6 off."""
    clear, tied = curves((10, 1.0)), curves((10, 1.0), (30, 0.99999))
    logits = (clear.expand(2, 2, -1), torch.cat((torch.cat((clear, tied), 1), clear.expand(1, 2, -1))))
    keypoints, scores = torch.full((2, 2, 2), 5.0), torch.full((2, 2), 0.5)
    moved = keypoints.clone()
    moved[0, 1, 1] += 30
    moved[1, 1, 0] -= 0.6
    reference = always(Answer(keypoints, scores, logits))
    exported = always(Answer(moved, scores + torch.tensor([0.0, 0.2]), (logits[0], logits[1] + 0.01)))
    difference = compare(reference, exported, [torch.zeros(2, 3, 4, 4, dtype=torch.uint8)] * 3)
    assert difference[:3] == (6, 12, 3)
    assert difference.mean_px == pytest.approx(0.2)
    assert difference.max_px == pytest.approx(0.6)
    assert difference.mean_of_all_px == pytest.approx(30.6 / 4)
    assert difference.percentile_99_px == pytest.approx(30.0)
    assert difference.logits == pytest.approx(0.01)
    assert difference.mean_score == pytest.approx(0.1)
    assert difference.max_score == pytest.approx(0.2)


def test_scores_are_calibrated_before_they_are_compared_with_calibrated_ones() -> None:
    calibration = ScoreCalibration(temperature=0.5, offset=0.1)
    logits = (curves((10, 1.0)), curves((10, 1.0)))
    keypoints, raw = torch.zeros(1, 1, 2), torch.tensor([[0.4]])
    inside = Answer(keypoints, torch.tensor([[1 / (1 + math.exp(-0.6))]]), None)
    crops = [torch.zeros(1, 3, 4, 4, dtype=torch.uint8)]
    difference = compare(always(Answer(keypoints, raw, logits)), always(inside), crops, ANY_BIN, calibration)
    assert difference.max_score < 1e-6
    assert difference.logits is None


def test_there_must_be_a_crop() -> None:
    nothing = always(Answer(torch.zeros(0, 1, 2), torch.zeros(0, 1), None))
    with pytest.raises(ElifPoseError, match="no crop of a person"):
        compare(nothing, nothing, [])


def test_a_file_within_its_bound_passes() -> None:
    check(SAME, BOUNDS["float32"])
    check(SAME._replace(mean_px=0.49, max_px=40.0, logits=0.1), BOUNDS["int8"])
    check(SAME._replace(mean_px=0.09, max_px=1.0, logits=0.01), BOUNDS["float16"])
    check(SAME._replace(logits=None), BOUNDS["float32"])


@pytest.mark.parametrize(
    ("difference", "bound", "message"),
    [
        (
            SAME._replace(max_px=0.5),
            BOUNDS["float32"],
            "3 people: largest distance of keypoints 0.5 px, allowed 0.02",
        ),
        (SAME._replace(logits=2e-4), BOUNDS["float32"], "logits by their range 0.0002, allowed 0.0001"),
        (SAME._replace(mean_px=0.11), BOUNDS["float16"], "mean distance of keypoints 0.11 px, allowed 0.1 px"),
        (SAME._replace(mean_px=0.51), BOUNDS["int8"], "mean distance of keypoints 0.51 px, allowed 0.5 px"),
        (SAME._replace(logits=math.nan), BOUNDS["float32"], "logits by their range nan"),
        (SAME._replace(mean_score=math.nan), Bound(ANY_BIN), "mean difference of scores nan"),
    ],
)
def test_a_file_above_its_bound_fails_with_figures(difference: Difference, bound: Bound, message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        check(difference, bound)
