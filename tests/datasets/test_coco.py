import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.annotations import load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton
from elifpose.structures.skeletons import COCO17, COCO_WHOLEBODY, HALPE26
from elifpose.utils.errors import ElifPoseError

Person = Callable[..., dict[str, Any]]
FILE = Path("a.json")
IMAGES = [{"id": 9, "file_name": "é/9.jpg", "width": 64, "height": 60}]


def document(*people: dict[str, Any], **changes: Any) -> bytes:
    """A COCO file's content."""
    return json.dumps({"images": IMAGES, "annotations": people, **changes}).encode()


def test_columns_hold_what_the_file_says(person: Person) -> None:
    people = [person(5, 9), person(3, 9, iscrowd=1, num_keypoints=None), person(4, 8)]
    annotations = parse_coco(document(*people), FILE, COCO17)
    assert annotations.image_ids.tolist() == [9]
    assert annotations.image_sizes.tolist() == [[64, 60]]
    assert annotations.file_names() == ["é/9.jpg"]
    assert annotations.ids.tolist() == [5, 3, 4]
    assert annotations.image_indices.tolist() == [0, 0, -1]
    assert annotations.crowd.tolist() == [False, True, False]
    assert annotations.num_keypoints.tolist() == [17, -1, 17]
    np.testing.assert_array_equal(annotations.boxes[0], people[0]["bbox"])
    np.testing.assert_array_equal(annotations.keypoints[0].ravel(), np.delete(people[0]["keypoints"], np.s_[2::3]))


def test_missing_area_is_taken_from_the_box(person: Person) -> None:
    annotations = parse_coco(document(person(1, 9, area=None), person(2, 9, area=0)), FILE, COCO17)
    np.testing.assert_allclose(annotations.areas, [0.53 * 40 * 48, 0])


def test_missing_area_is_that_of_what_the_image_shows_of_the_box(person: Person) -> None:
    beyond = person(1, 9, area=None, bbox=[-10, 20, 100, 100]), person(2, 8, area=None, bbox=[-10, 20, 100, 100])
    annotations = parse_coco(document(*beyond, person(3, 9, area=None, bbox=None)), FILE, COCO17)
    np.testing.assert_allclose(annotations.areas, [0.53 * 63 * 39, 0.53 * 100**2, np.nan])


def test_visibility_becomes_zero_one_two(person: Person) -> None:
    keypoints = person(1, 9)["keypoints"]
    keypoints[2::3] = [0, 0.3, 1, 1.5, 2, 3, -1] + [2] * 10
    annotations = parse_coco(document(person(1, 9, keypoints=keypoints)), FILE, COCO17)
    assert annotations.visibility[0, :7].tolist() == [0, 1, 1, 2, 2, 2, 0]


def test_unusable_keypoints_are_unlabelled_and_remembered(person: Person) -> None:
    keypoints = person(1, 9)["keypoints"]
    keypoints[0], keypoints[4], keypoints[8], keypoints[9:12] = None, float("nan"), float("inf"), [1e9, 0, 0]
    annotations = parse_coco(document(person(1, 9), person(2, 9, keypoints=keypoints)), FILE, COCO17)
    assert annotations.visibility[1].tolist() == [0] * 4 + [2] * 13
    assert not annotations.keypoints[1, :4].any()
    assert annotations.unusable.tolist() == [1]


def test_other_categories_are_counted(person: Person) -> None:
    categories = [{"id": 3, "name": "ball"}, {"id": 4, "name": "person"}]
    ball = {"id": 2, "category_id": 3, "image_id": 9, "bbox": [0, 0, 1, 1]}
    annotations = parse_coco(document(person(1, 9, category_id=4), ball, categories=categories), FILE, COCO17)
    assert annotations.ids.tolist() == [1]
    assert annotations.others.tolist() == [1]


def test_feet_and_full_bodies(person: Person) -> None:
    feet = np.arange(18.0)
    whole = parse_coco(document(person(1, 9, foot_kpts=feet.tolist()), person(2, 9)), FILE, COCO_WHOLEBODY)
    np.testing.assert_array_equal(whole.keypoints[0, 17:], feet.reshape(6, 3)[:, :2])
    assert whole.visibility[1, 17:].tolist() == [0] * 6
    full = np.arange(408.0).tolist()
    halpe = parse_coco(document(person(1, 9, keypoints=full), person(2, 9, keypoints=full[:78])), FILE, HALPE26)
    np.testing.assert_array_equal(halpe.keypoints[0], np.arange(78.0).reshape(26, 3)[:, :2])
    np.testing.assert_array_equal(halpe.keypoints[0], halpe.keypoints[1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not a COCO-style file"),
        (b'{"annotations": []}', "not a COCO-style file: it needs a list of 'images'"),
        (b'{"images": {}, "annotations": []}', "not a COCO-style file"),
        (b'{"images": [], "annotations": null}', "not a COCO-style file"),
        (b'{"images": [3], "annotations": []}', "image number 0 is not an object"),
        (b'{"images": [{"id": 1, "file_name": "a"}], "annotations": []}', "image with id 1: 'width' must be"),
        (b'{"images": [{"id": 1, "width": 1, "height": 1}], "annotations": []}', "image with id 1: 'file_name'"),
        (b'{"images": [{"id": 1, "file_name": "\\ud800", "width": 1, "height": 1}], "annotations": []}', "no file"),
        (document({"id": 3, "image_id": 9, "keypoints": [1]}), r"id 3: 'keypoints' .* 51 numbers .*has 1.*'coco17'"),
        (document({"id": 3, "image_id": 9, "bbox": [1, 2]}), r"id 3: 'bbox' must be 4 numbers"),
        (document({"id": 3, "image_id": "nine"}), r"id 3: 'image_id' must be a whole number, not 'nine'"),
        (document({"id": 3, "image_id": 9, "iscrowd": "0"}), "id 3: 'iscrowd' must be a whole number, not '0'"),
        (document({"image_id": 9}), "'id' must be a whole number"),
        (document(categories=3), "'categories' must be a list, not 3"),
        (document(categories=[1]), "category number 0 is not an object"),
    ],
)  # fmt: skip
def test_broken_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(ElifPoseError, match=f"^a.json.*{message}"):
        parse_coco(content, FILE, COCO17)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [("coco17", "coco17", "coco"), ("coco_wholebody", "halpe26", "coco_wholebody"), ("halpe26", "halpe26", "halpe")],
)
def test_instances_equal_the_reference(shared: Path, source: str, target: str, expected: str) -> None:
    wanted = json.loads((shared / "reference" / "datasets.json").read_text())[expected]
    body8 = shared / "samples" / "body8"
    pose_set = PoseSet(wanted["ann"], "coco", source)
    skeleton = get_skeleton(target)
    data = PoseDataset("a", pose_set, body8, skeleton, (192, 256), GeometricTransform(), False, 0)
    truth = {person["id"]: person for person in data.ground_truth()["annotations"]}
    assert len(data) == len(wanted["instances"])
    assert len(truth) == len(json.loads((body8 / wanted["ann"]).read_text())["annotations"])
    for index, instance in enumerate(wanted["instances"]):
        sample, person = data[index], truth[instance["id"]]
        corners = np.concatenate((sample.box_image[:2], sample.box_image[:2] + sample.box_image[2:]))
        np.testing.assert_allclose(corners, instance["bbox_xyxy"], rtol=1e-6)
        assert sample.image_id == person["image_id"] == instance["img_id"]
        assert person["area"] == pytest.approx(instance["area"], rel=1e-6)
        assert person["num_keypoints"] == (instance["num_keypoints"] if source == target else np.sum(sample.weights))
        np.testing.assert_array_equal(sample.weights, instance["keypoints_visible"])
        points = np.array(person["keypoints"]).reshape(-1, 3)
        np.testing.assert_allclose(points[:, :2], instance["keypoints"], rtol=1e-6)
        linear, offset = sample.input_to_image[:, :2], sample.input_to_image[:, 2]
        labelled = sample.weights > 0
        in_image = sample.keypoints_input[labelled] @ linear.T + offset
        np.testing.assert_allclose(in_image, np.array(instance["keypoints"])[labelled], atol=1e-3)


def test_a_set_without_anything_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    for _ in range(2):
        annotations = load_annotations(tmp_path / "a.json", COCO17, parse_coco)
        assert annotations.keypoints.shape == (0, 17, 2)
        assert annotations.file_names() == []


def test_a_test_sets_file_lists_images_alone() -> None:
    content = json.dumps({"images": IMAGES, "categories": [{"id": 1, "name": "person"}], "info": {}}).encode()
    annotations = parse_coco(content, FILE, COCO17)
    assert annotations.image_ids.tolist() == [9]
    assert annotations.keypoints.shape == (0, 17, 2)
    assert annotations.boxes.shape == (0, 4)


def test_load_goes_by_way_of_the_cache(tmp_path: Path, cache_folder: Path, person: Person) -> None:
    (tmp_path / "a.json").write_bytes(document(person(1, 9)))
    assert load_annotations(tmp_path / "a.json", COCO17, parse_coco).cache is not None
    assert len(list(cache_folder.iterdir())) == 1
