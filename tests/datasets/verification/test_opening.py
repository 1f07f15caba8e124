import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.verification.opening import OpenedSet, open_set
from elifpose.datasets.verification.problems import Severity, Source
from elifpose.structures.skeletons import COCO17

Person = Callable[..., dict[str, Any]]
MakeSet = Callable[..., Path]


def opened(root: Path, splits: tuple[str, ...] = ("train",), optional: bool = False, **changes: Any) -> OpenedSet:
    files = PoseSet(**{"annotations": "a.json", "images": "a", **changes})
    return open_set(Source("a", splits, files, root, optional), COCO17)


def kinds(found: OpenedSet) -> list[tuple[str, str]]:
    """Those of the files; what people look like is not the matter here."""
    return [(problem.kind, problem.severity.value) for problem in found.findings.problems if not problem.annotation]


def test_a_sound_set(make_set: MakeSet, person: Person) -> None:
    found = opened(make_set("a", [person(1, 1), person(2, 1)], images=3))
    assert kinds(found) == []
    assert found.shown.tolist() == [True, False, False]
    assert [Path(path).name for path in found.paths] == ["a-1.png", "a-2.png", "a-3.png"]
    assert found.sizes.tolist() == [[64, 60]] * 3
    looked_at = {"images": 0, "annotations": 2, "people with keypoints": 2, "keypoints": 34}
    assert dict(found.findings.looked_at) == looked_at
    assert found.findings.notes["image without annotations"] == 2


@pytest.mark.parametrize(("optional", "severity"), [(False, "mend"), (True, "look")])
def test_absent_files(make_set: MakeSet, person: Person, optional: bool, severity: str) -> None:
    root = make_set("a", [person(1, 1)])
    without_folder = opened(root, images="nowhere", optional=optional)
    assert kinds(without_folder) == [("no image folder", severity)]
    assert without_folder.findings.looked_at["annotations"] == 1
    assert without_folder.paths == []
    without_file = opened(root, annotations="b.json", optional=optional)
    assert kinds(without_file) == [("annotations unusable", severity)]
    assert dict(without_file.findings.looked_at) == {"images": 0, "annotations": 0}


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3}', "\0"])
def test_a_broken_file_is_one_problem(make_set: MakeSet, content: str) -> None:
    root = make_set("a", [])
    (root / "a.json").write_text(content)
    ((kind, severity),) = kinds(opened(root, optional=True))
    assert (kind, severity) == ("annotations unusable", "mend")


@pytest.mark.parametrize(("splits", "expected"), [(("train",), 1), (("test", "predict"), 0), (("val", "test"), 1)])
def test_a_set_of_nobody_is_to_be_mended_where_somebody_is_needed(
    make_set: MakeSet, person: Person, splits: tuple[str, ...], expected: int
) -> None:
    nobody = person(1, 1, keypoints=[0] * 51, num_keypoints=0)
    found = opened(make_set("a", [nobody]), splits)
    assert kinds(found) == [("nobody with keypoints", "mend")] * expected
    assert found.shown.all()


def test_an_image_listed_twice(make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1)])
    document = json.loads((root / "a.json").read_text())
    document["images"][1]["id"] = 1
    (root / "a.json").write_text(json.dumps(document))
    found = opened(root)
    assert kinds(found) == [("image id used twice", "look")]
    assert found.findings.problems[-1].file == str(root / "a/a-2.png")


def test_problems_name_image_and_annotation(make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1), person(22, 2, bbox=[5, 5, 0, 5]), person(23, 99)])
    told = {problem.annotation: problem for problem in opened(root).findings.problems}
    assert told[22].file == str(root / "a/a-2.png")
    assert told[23].file == str(root / "a.json")


def test_visibilities_that_the_columns_do_not_keep(make_set: MakeSet, person: Person) -> None:
    record = person(7, 1)
    record["keypoints"][2] = 5
    (problem,) = (p for p in opened(make_set("a", [record])).findings.problems if "visibility" in p.kind)
    assert problem.annotation == 7
    assert problem.severity is Severity.LOOK


def test_a_detectors_boxes_are_read(make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1)])
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}
    (root / "d.json").write_text(json.dumps([box, {**box, "image_id": 99}, {**box, "category_id": 3}]))
    found = opened(root, ("val",), detections="d.json")
    assert kinds(found) == [("detections left out", "look")]
    assert found.findings.notes["detections left out"] == 1
    assert found.findings.looked_at["detections"] == 1
    assert kinds(opened(root, ("val",), detections="none.json")) == [("detections unusable", "mend")]
