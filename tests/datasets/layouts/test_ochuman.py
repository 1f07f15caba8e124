from pathlib import Path
from typing import Any

import pytest

from elifpose.datasets.layouts.ochuman import from_ochuman
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

FILE = Path("ochuman.json")
# The publisher's 19 keypoints, in its order.
NAMES = [
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "head",
    "neck",
    "right_ear",
    "left_ear",
    "nose",
    "right_eye",
    "left_eye",
]
KEYPOINTS = [number for index in range(19) for number in (index, 10 * index, index % 4)]


def document(**changes: Any) -> dict[str, Any]:
    """OCHuman's document with one image of two people, of whom the second has only a box."""
    people = [{"bbox": [10, 20, 40, 80], "keypoints": KEYPOINTS, "segms": None, "max_iou": 0.7}]
    people.append({"bbox": [1, 2, 3, 4], "keypoints": None, "segms": None, "max_iou": 0.1})
    image = {"image_id": "000123", "file_name": "000123.jpg", "width": 90, "height": 100, "annotations": people}
    visible = {"missing": 0, "vis": 1, "self_occluded": 2, "others_occluded": 3}
    return {"keypoint_names": NAMES, "keypoint_visible": visible, "images": [{**image, **changes}]}


def test_people_of_an_image_become_annotations() -> None:
    converted = from_ochuman(document(), FILE, COCO17.keypoints)
    assert converted["images"] == [{"id": 0, "file_name": "000123.jpg", "width": 90, "height": 100}]
    first, second = converted["annotations"]
    assert (first["bbox"], first["area"]) == ([10, 20, 30, 60], 1800)
    assert (second["id"], second["bbox"], second["keypoints"]) == (1, [1, 2, 2, 2], None)


def test_keypoints_are_found_by_name_and_visibility_is_cocos() -> None:
    keypoints = from_ochuman(document(), FILE, COCO17.keypoints)["annotations"][0]["keypoints"]
    assert len(keypoints) == 17 * 3
    assert keypoints[:3] == [16, 160, 0]  # nose: missing
    assert keypoints[3:6] == [18, 180, 2]  # left eye: hidden by oneself
    assert keypoints[6:9] == [17, 170, 2]  # right eye: visible
    assert keypoints[9:12] == [15, 150, 1]  # left ear: hidden by others


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            {**document(), "keypoint_names": NAMES[:5]},
            "keypoint_names is not as in OCHuman's own JSON, read with COCO",
        ),
        ({**document(), "images": None}, "images is not as in"),
        (document(annotations=[{"bbox": [1, 2, 3], "keypoints": None}]), "image number 0 is not as in"),
        (document(annotations=[{"bbox": [1, 2, 3, 4], "keypoints": [1, 2]}]), "image number 0 is not as in"),
    ],
)
def test_what_is_not_of_the_layout_is_named(broken: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=rf"^ochuman\.json: {message}"):
        from_ochuman(broken, FILE, COCO17.keypoints)
