from typing import Any

import pytest

from elifpose.evaluation.settings import Evaluation
from elifpose.utils.errors import ElifPoseError


@pytest.mark.parametrize(
    ("argument", "value", "remedy"),
    [
        ("nms_threshold", 0.0, "above 0, up to 1"),
        ("nms_threshold", 1.01, "above 0, up to 1"),
        ("nms_threshold", float("nan"), "above 0, up to 1"),
        ("pck", (), "one or more shares above 0"),
        ("pck", (0.1, 0.0), "one or more shares above 0"),
        ("score", "box", "give one of bbox, keypoint, bbox_keypoint, bbox_rle"),
        ("nms", "oks", "give one of none, hard, soft"),
        ("evaluator", "coco", "give one of arrays, pycocotools"),
        ("nme", ("nose",), "the names of two keypoints"),
        ("nme", ("nose", "nose"), "the names of two keypoints"),
    ],
)
def test_what_cannot_be_judged_by_is_refused(argument: str, value: Any, remedy: str) -> None:
    with pytest.raises(ElifPoseError, match=rf"model.evaluation: {argument} is .*{remedy}"):
        Evaluation(**{argument: value})


def test_lists_of_a_file_become_tuples() -> None:
    from_file: Any = {"nme": ["left_shoulder", "right_hip"], "pck": [0.1]}
    assert Evaluation(**from_file) == Evaluation(nme=("left_shoulder", "right_hip"), pck=(0.1,))
    assert hash(Evaluation(**from_file)) == hash(Evaluation(nme=("left_shoulder", "right_hip"), pck=(0.1,)))
