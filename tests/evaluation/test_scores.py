import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from elifpose.evaluation.scores import person_scores
from elifpose.evaluation.settings import PersonScore


@pytest.mark.parametrize("K", [17, 26])
@pytest.mark.parametrize("score", get_args(PersonScore))
def test_their_sums_equal_the_stored_ones(reference: Path, K: int, score: PersonScore) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    keypoint_scores, box_scores = (np.array(stored["samples"][name]) for name in ("keypoint_scores", "bbox_scores"))
    scores = person_scores(keypoint_scores, box_scores, score)
    expected = stored["results"][f"{score}/none@0.9"]
    assert scores.sum() == pytest.approx(expected["score_sum"], abs=1e-5)  # stored from float32, six decimals
    assert scores.shape == (expected["n_kept"],)


def test_a_score_by_hand() -> None:
    keypoints, boxes = np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([0.5])
    expected = {"bbox": 0.5, "keypoint": 0.375, "bbox_keypoint": 0.5 * 0.6, "bbox_rle": 0.5 + 0.375 + 0.8}
    for score in get_args(PersonScore):
        found = person_scores(keypoints, boxes, score, threshold=0.3)
        assert found.dtype == np.float64
        assert found == pytest.approx([expected[score]], rel=1e-6)


def test_a_keypoint_score_at_the_threshold_is_left_out_and_none_above_gives_0() -> None:
    keypoints = np.array([[0.25, 0.5], [0.25, 0.25]])
    assert person_scores(keypoints, np.ones(2), "bbox_keypoint", threshold=0.25).tolist() == [0.5, 0.0]


def test_nobody_has_no_scores() -> None:
    for score in get_args(PersonScore):
        assert person_scores(np.zeros((0, 17)), np.zeros(0), score).shape == (0,)
