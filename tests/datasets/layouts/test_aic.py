from pathlib import Path
from typing import Any

import pytest

from elifpose.datasets.layouts.aic import from_aic
from elifpose.utils.errors import ElifPoseError

FILE = Path("a.json")
HUMANS = {"human1": [5, 6, 25, 46], "human2": [0, 0, 3, 4]}
KEYPOINTS = {"human2": [0] * 42, "human1": [7, 8, 1, 9, 10, 2, 0, 0, 3, *[0] * 33]}
ENTRY = {"image_id": "ab12", "human_annotations": HUMANS, "keypoint_annotations": KEYPOINTS, "url": "x"}


def test_people_of_an_image_become_annotations() -> None:
    document = from_aic([ENTRY, {**ENTRY, "image_id": "cd"}], FILE)
    assert document["images"] == [{"id": 0, "file_name": "ab12.jpg"}, {"id": 1, "file_name": "cd.jpg"}]
    assert [(person["id"], person["image_id"]) for person in document["annotations"]] == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 1),
    ]
    assert document["annotations"][0]["bbox"] == [5, 6, 20, 40]
    assert document["annotations"][1]["bbox"] == [0, 0, 3, 4]


def test_visible_hidden_and_absent_change_numbers() -> None:
    keypoints = from_aic([ENTRY], FILE)["annotations"][0]["keypoints"]
    assert keypoints[:9] == [7, 8, 2, 9, 10, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"human_annotations": {"human1": [1, 2, 3]}},
        {"human_annotations": {"human1": [1, 2, "3", 4]}},
        {"human_annotations": {"human3": [1, 2, 3, 4]}},
        {"human_annotations": None},
        {"keypoint_annotations": {"human1": None}},
    ],
)
def test_what_is_not_of_the_layout_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match=r"^a\.json: entry number 1 is not as in AI Challenger's list"):
        from_aic([ENTRY, {**ENTRY, **changes}], FILE)
