"""Whom a data set holds, and against what they are measured."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.transforms import GeometricTransform
from elifpose.utils.errors import ElifPoseError

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]
OpenSet = Callable[..., PoseDataset]


def test_ground_truth_is_the_file_again(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    people = [
        person(3, 1),
        person(1, 2, iscrowd=1, num_keypoints=0, keypoints=[0] * 51),
        person(2, 1, bbox=[0, 0, 0, 0]),
    ]
    root = make_set("a", people)
    with pytest.warns(UserWarning, match=r"'a', a\.json.*1 people with a box of zero size \(annotation 2\)"):
        data = open_set(root)
    assert len(data) == 1
    document = data.ground_truth()
    assert document["images"] == json.loads((root / "a.json").read_text())["images"]
    for written, told in zip(people, document["annotations"], strict=True):
        assert told == written


def test_ground_truth_is_what_pycocotools_takes(
    open_set: OpenSet, make_set: MakeSet, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = person(1, 1, num_keypoints=5)  # the file's word counts only for its own skeleton
    data = open_set(make_set("a", [stated, person(2, 2)]), target="halpe26")
    truth = COCO()
    truth.dataset = data.ground_truth()
    truth.createIndex()
    capsys.readouterr()
    assert truth.getImgIds() == [1, 2]
    assert [annotation["num_keypoints"] for annotation in truth.loadAnns(truth.getAnnIds())] == [17, 17]
    assert len(truth.loadCats(1)[0]["keypoints"]) == 26
    assert len(truth.loadAnns(1)[0]["keypoints"]) == 78


def test_detections_take_the_place_of_boxes(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1), person(2, 2)])
    found = [{"image_id": i, "category_id": 1, "bbox": [-4, 2, 30, 40 + i], "score": i / 10} for i in (2, 1, 2)]
    (root / "d.json").write_text(json.dumps(found))
    data = open_set(root, detections="d.json")
    assert [(sample.image_id, round(sample.box_score, 6)) for sample in data] == [(1, 0.1), (2, 0.2), (2, 0.2)]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(data[0].box_image, [-4, 2, 30, 41])
    assert not data[0].weights.any()
    assert data[0].area == 0
    assert data.from_detector
    assert len(data.ground_truth()["annotations"]) == 2
    trained = open_set(root, detections="d.json", transform=GeometricTransform())
    assert len(trained) == 2
    assert not trained.from_detector


def test_areas_are_those_annotated(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    data = open_set(make_set("a", [person(1, 1, area=321.5), person(2, 2, area=None)]))
    assert data[0].area == 321.5
    assert data[1].area == pytest.approx(0.53 * 40 * 48)


def without_keypoints(person: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in person.items() if key not in ("keypoints", "num_keypoints")}


def test_where_nobody_has_keypoints_everyone_with_a_box_is_predicted(
    open_set: OpenSet, make_set: MakeSet, person: Person
) -> None:
    people = [person(1, 2), person(2, 1), person(3, 1, iscrowd=1), person(4, 1, bbox=[5, 5, 0, 9])]
    root = make_set("a", [without_keypoints(one) for one in people])
    with pytest.warns(UserWarning, match="1 people with a box of zero size"):
        data = open_set(root)
    assert not data.has_truth
    assert [(sample.image_id, sample.area, sample.weights.sum()) for sample in data] == [(1, 900, 0), (2, 900, 0)]  # type: ignore[attr-defined]
    assert {one["num_keypoints"] for one in data.ground_truth()["annotations"]} == {0}
    with pytest.raises(ElifPoseError, match="no person with keypoints"):
        open_set(root, transform=GeometricTransform())
    detected = open_set_with_detections(open_set, root, "a")
    assert (len(detected), detected.from_detector, detected.has_truth) == (2, True, False)


def test_one_person_with_keypoints_makes_truth(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    data = open_set(make_set("a", [person(1, 1), without_keypoints(person(2, 1))]))
    assert data.has_truth
    assert len(data) == 1
    boxless = open_set_with_detections(open_set, make_set("b", [person(1, 1, bbox=[0, 0, 0, 0])]), "b")
    assert boxless.has_truth  # its keypoints can be compared with what is seen in a detector's box


def open_set_with_detections(open_set: OpenSet, root: Path, name: str) -> PoseDataset:
    found = [{"image_id": i, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5} for i in (1, 2)]
    (root / "found.json").write_text(json.dumps(found))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not used as they are")
        return open_set(root, name, detections="found.json")


def test_a_file_of_images_alone_is_predicted_in_detections(open_set: OpenSet, make_set: MakeSet) -> None:
    root = make_set("a", [])
    document = json.loads((root / "a.json").read_text())
    del document["annotations"]
    (root / "a.json").write_text(json.dumps(document))
    data = open_set_with_detections(open_set, root, "a")
    assert [sample.image_id for sample in data] == [1, 2]  # type: ignore[attr-defined]
    assert not data.has_truth
    assert [image["id"] for image in data.ground_truth()["images"]] == [1, 2]
    assert data.ground_truth()["annotations"] == []
    with pytest.raises(ElifPoseError, match=r"a\.json has no person.*'annotations', or a detector's .* 'detections'"):
        open_set(root)
    with pytest.raises(ElifPoseError, match=r"give a file with annotated people as its 'annotations'$"):
        open_set(root, transform=GeometricTransform())


def test_what_is_left_out_is_told(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    people = [person(1, 1), person(1, 2), person(2, 7), person(3, 2, bbox=[90, 9, 9, 9])]
    message = (
        r"1 annotations of an image that the file does not list \(annotation 2\); "
        r"1 annotations with the id of an earlier one \(annotation 1\); "
        r"1 people with a box outside the image \(annotation 3\)"
    )
    root = make_set("a", people)
    with pytest.warns(UserWarning, match=message):
        data = open_set(root)
    assert len(data) == 1
    assert [person["id"] for person in data.ground_truth()["annotations"]] == [1, 3]


def test_what_stops_training_is_an_error(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1), person(2, 2)])
    make_set("nobody", [person(1, 1, keypoints=[0] * 51)])
    message = r"'nobody'.*nobody\.json has no person with keypoints in a box; 1 people without .*'annotations'"
    with pytest.raises(ElifPoseError, match=message):
        open_set(root, "nobody", transform=GeometricTransform())
    with pytest.raises(ElifPoseError, match=r"no annotation file .*b\.json"):
        open_set(root, "b")
    (root / "a" / "a-2.png").unlink()
    with pytest.raises(ElifPoseError, match=r"'a': 1 of 2 annotated images are not in .*a-2\.png"):
        open_set(root)
