import pytest

from elifpose.datasets.pose_set import PoseSet, with_boxes
from elifpose.structures import get_skeleton
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(ElifPoseError, match="weight must be positive"):
        PoseSet("a.json", "a", weight=weight)


def test_loss_weights_are_by_name_or_the_skeletons() -> None:
    plain = PoseSet("a.json", "a")
    assert plain.loss_weights() == (1.0,) * 17
    named = PoseSet("a.json", "a", keypoint_weights={"left_wrist": 0.0, "nose": 2.5})
    expected = {**dict.fromkeys(COCO17.keypoints, 1.0), "left_wrist": 0.0, "nose": 2.5}
    assert dict(zip(COCO17.keypoints, named.loss_weights(), strict=True)) == expected
    assert PoseSet("a.json", "a", keypoint_weights={}).loss_weights() == (1.0,) * 17
    crowdpose = get_skeleton("crowdpose")
    assert PoseSet("a.json", "a", "crowdpose", keypoint_weights="skeleton").loss_weights() == crowdpose.joint_weights


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"neck": 1.0}, "skeleton 'coco17' has no keypoint 'neck'; it has nose, left_eye"),
        ({"nose": -0.5}, "nose has -0.5; a weight must be 0 or more"),
        ({"nose": float("inf")}, "nose has inf"),
        ({"nose": float("nan")}, "nose has nan"),
    ],
)
def test_keypoint_weights_must_be_of_the_skeleton(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        PoseSet("a.json", "a", keypoint_weights=weights)


def test_boxes_replace_detections() -> None:
    own = {"a": PoseSet("a.json", "a", detections="own.json")}
    two = {**own, "b": PoseSet("b.json", "b")}
    assert with_boxes(two, None, "val", "val") == two
    assert [of_set.detections for of_set in with_boxes(two, "gt", "val", "val").values()] == [None, None]
    assert with_boxes(own, "x.json", "test", "val")["a"].detections == "x.json"
    with pytest.raises(ElifPoseError, match=r"2 sets to test on \(a, b\); give each its own by --data\.val\.NAME"):
        with_boxes(two, "x.json", "test", "val")
