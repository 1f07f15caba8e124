import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import (
    Finding,
    check_images,
    clip_boxes,
    distinct,
    find_oddities,
    find_other_sizes,
    find_people,
    missing_images,
    order_by_image,
)
from elifpose.datasets.coco import parse_coco
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

Person = Callable[..., dict[str, Any]]
MakeSet = Callable[..., Path]


def parse(*people: dict[str, Any], images: tuple[int, ...] = (7, 9)) -> Annotations:
    records = [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 60} for i in images]
    return parse_coco(json.dumps({"images": records, "annotations": people}).encode(), Path("a.json"), COCO17)


def find(annotations: Annotations) -> tuple[list[int], dict[str, int]]:
    """Ids of those shown, and how many were left out for what."""
    counts = np.count_nonzero(annotations.visibility, axis=1)
    people = find_people(annotations, annotations.visibility > 0, counts)
    return annotations.ids[people.rows].tolist(), {finding.what: finding.number for finding in people.findings}


def test_boxes_are_cut_to_the_image() -> None:
    boxes = np.array([[-5.0, 10, 20, 80], [60, 50, 10, 10], [70, 5, 5, 5]])
    sizes = np.array([[64, 60]] * 3, np.int32)
    np.testing.assert_array_equal(clip_boxes(boxes, sizes), [[0, 10, 15, 49], [60, 50, 3, 9], [63, 5, 0, 5]])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"image_id": 8}, "an image that the file does not list"),
        ({"id": 1}, "id of an earlier one"),
        ({"iscrowd": 1}, "crowds"),
        ({"keypoints": [1, 1, 0] * 17}, "without labelled keypoints"),
        ({"bbox": None}, "without a box of finite numbers"),
        ({"bbox": [1, 2, float("nan"), 4]}, "without a box of finite numbers"),
        ({"bbox": [5, 5, 0, 9]}, "box of zero size"),
        ({"bbox": [5, 5, 9, -1]}, "box of zero size"),
        ({"bbox": [100, 5, 9, 9]}, "box outside the image"),
        ({"bbox": [5, -40, 9, 20]}, "box outside the image"),
    ],
)
def test_each_person_left_out_is_counted_once(person: Person, changes: dict[str, Any], what: str) -> None:
    odd = person(2, 9) | changes
    shown, left_out = find(parse(person(1, 9), odd, person(3, 7)))
    assert shown == [3, 1]  # by image
    ((reason, number),) = left_out.items()
    assert what in reason
    assert number == 1


def test_every_annotation_is_shown_or_counted(person: Person) -> None:
    rng = np.random.default_rng(0)
    people = []
    for i in range(300):
        changes: dict[str, Any] = {"iscrowd": int(rng.random() < 0.2), "id": int(rng.integers(0, 250))}
        if rng.random() < 0.3:
            changes["bbox"] = rng.choice([0, -1, 5, 70, np.nan, np.inf], 4).tolist()
        if rng.random() < 0.3:
            changes["keypoints"] = [3, 4, 0] * 17
        people.append(person(i, int(rng.choice([7, 8, 9]))) | changes)
    annotations = parse(*people)
    shown, left_out = find(annotations)
    assert len(shown) + sum(left_out.values()) == 300
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(annotations.ids[distinct(annotations)].tolist())


def test_findings_name_the_first_few(person: Person) -> None:
    annotations = parse(*(person(i, 9, bbox=[0, 0, 0, 0]) for i in range(10, 17)), person(1, 9))
    counts = np.full(8, 17)
    (finding,) = find_people(annotations, annotations.visibility > 0, counts).findings
    assert str(finding) == (
        "7 people with a box of zero size "
        "(annotation 10, annotation 11, annotation 12, annotation 13, annotation 14, …)"
    )
    assert str(Finding("annotations of cats", 3, ())) == "3 annotations of cats"


def test_oddities(person: Person) -> None:
    keypoints = [float("nan"), *person(1, 9)["keypoints"][1:]]
    found = find_oddities(parse(person(1, 9, keypoints=keypoints), person(2, 7), images=(9, 7, 9)))
    assert [str(finding) for finding in found] == [
        "1 people with NaN or absurd keypoints, which count as not labelled (annotation 1)",
        "1 images with the id of an earlier one, which is taken (image 9)",
    ]
    assert not find_oddities(parse(person(1, 9)))


def test_missing_images_are_listed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "sub/b.jpg"):
        (tmp_path / name).touch()
    names = ["a.jpg", "sub/b.jpg", "b.jpg", "sub/a.jpg", "other/a.jpg"]
    assert missing_images(tmp_path, names) == names[2:]
    check_images("mine", tmp_path, names[:2])
    with pytest.raises(ElifPoseError, match=r"'mine': 3 of 5 annotated images are not in .* \(b.jpg, sub/a.jpg"):
        check_images("mine", tmp_path, names)
    with pytest.raises(ElifPoseError, match="'mine': there is no image folder"):
        check_images("mine", tmp_path / "a.jpg", names)


def test_a_folder_that_must_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()

    def refuse(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("os.listdir", refuse)  # root may list everything
    with pytest.raises(ElifPoseError, match=r"image folder .* cannot be listed: Permission denied"):
        check_images("mine", tmp_path, ["sub/a.jpg"])


def test_folders_named_in_odd_ways(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").touch()
    there = ["sub//a.jpg", "./sub/a.jpg", f"{tmp_path}/sub/a.jpg", "sub/../sub/a.jpg"]
    absent = ["sub/", "/a.jpg", "a.jpg", "sub/a.jpg/b.jpg", "x" * 300, ".."]
    assert missing_images(tmp_path, there + absent) == absent


def test_order_by_image_is_numpys() -> None:
    images = np.random.default_rng(0).integers(-1, 20, 300).astype(np.int32)
    np.testing.assert_array_equal(order_by_image(images), np.argsort(images, kind="stable"))
    assert order_by_image(images[:0]).shape == (0,)


def test_other_sizes_are_found(make_set: MakeSet) -> None:
    root = make_set("a", [], images=3)
    names = ["a-1.png", "a-2.png", "a-3.png"]
    assert not find_other_sizes(root / "a", names, np.array([[64, 60]] * 3, np.int32))
    (finding,) = find_other_sizes(root / "a", names, np.array([[64, 60], [60, 64], [128, 120]], np.int32))
    assert finding.number == 1
    assert finding.examples == ("a-3.png: 64 x 60, annotated 128 x 120",)
    assert not find_other_sizes(root / "a", [], np.empty((0, 2), np.int32))
