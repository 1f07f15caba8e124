"""Each kind of mistake made once, in an otherwise sound set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.coco import parse_coco
from elifpose.datasets.verification.people import People, look_at_people
from elifpose.datasets.verification.problems import Check, Severity
from elifpose.structures.skeletons import COCO17, HALPE26

Person = Callable[..., dict[str, Any]]


def look(*people: dict[str, Any], network: Any = HALPE26) -> tuple[People, dict[str, Check]]:
    """The people, and those checks that found something, by kind; images are 64 x 60."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 60} for i in (7, 9)]
    content = json.dumps({"images": images, "annotations": people}).encode()
    found, checks = look_at_people(parse_coco(content, Path("a.json"), COCO17), COCO17, network)
    return found, {check.kind: check for check in checks if check.rows.any()}


def moved(record: dict[str, Any], point: int, *values: float) -> dict[str, Any]:
    """With a keypoint's numbers replaced, from x on."""
    keypoints = list(record["keypoints"])
    keypoints[3 * point : 3 * point + len(values)] = values
    return {**record, "keypoints": keypoints}


def upright(annotation_id: int) -> dict[str, Any]:
    """An annotation that nothing can be said against."""
    half = {5: (8, 20), 7: (11, 30), 9: (12, 38), 11: (5, 36), 13: (5, 46), 15: (5, 55), 1: (2, 8), 3: (4, 9)}
    points = np.zeros((17, 3))
    points[:, 2] = 2
    points[0, :2] = (30, 11)
    for left, (x, y) in half.items():
        points[left, :2], points[left + 1, :2] = (30 + x, y), (30 - x, y)
    record = {"id": annotation_id, "image_id": 7, "bbox": [16.0, 2, 28, 56], "area": 600.0, "iscrowd": 0}
    return {**record, "num_keypoints": 17, "keypoints": points.ravel().tolist()}


def test_nothing_is_said_against_a_sound_set() -> None:
    people, checks = look(upright(1), {**upright(2), "image_id": 9})
    assert checks == {}
    assert people.persons.all()
    assert not people.lost.any()


@pytest.mark.parametrize(
    ("changes", "kind", "severity", "lost"),
    [
        ({"image_id": 8}, "image_id unknown", "mend", True),
        ({"id": 1}, "id used twice", "mend", True),
        ({"bbox": None}, "box missing", "mend", True),
        ({"bbox": [1, 2, float("inf"), 4]}, "box missing", "mend", True),
        ({"bbox": [16, 2, 0, 56]}, "box without size", "mend", True),
        ({"bbox": [16, 2, 28, -56]}, "box without size", "mend", True),
        ({"bbox": [70, 2, 28, 56]}, "box outside the image", "mend", True),
        ({"area": 0}, "area not positive", "mend", False),
        ({"area": -3.5}, "area not positive", "mend", False),
        ({"area": 1700}, "area larger than the box", "look", False),
        ({"bbox": [16, 2, 28, 70]}, "box leaves the image", "look", False),
        ({"num_keypoints": 0}, "num_keypoints counts otherwise", "look", False),
        ({"num_keypoints": 9}, "num_keypoints counts otherwise", "look", False),
        ({"iscrowd": 1}, "crowd with keypoints, not trained on", "note", False),
        ({"keypoints": [0] * 51, "num_keypoints": 0}, "person without keypoints", "note", False),
    ],
)
def test_a_changed_annotation_is_found(changes: dict[str, Any], kind: str, severity: str, lost: bool) -> None:
    people, checks = look(upright(1), {**upright(2), "image_id": 9, **changes})
    assert checks[kind].severity == severity
    assert checks[kind].rows.tolist() == [False, True]
    assert isinstance(checks[kind].reason(1), str)
    assert people.lost.tolist() == [False, lost]
    assert set(checks) - {kind} <= {"crowd"}


def test_a_count_of_0_loses_a_person_where_the_count_is_believed() -> None:
    people, checks = look({**upright(1), "num_keypoints": 0}, network=COCO17)
    assert list(checks) == ["num_keypoints is 0"]
    assert checks["num_keypoints is 0"].severity is Severity.MEND
    assert people.lost.all()


def test_a_keypoint_at_the_origin_outside_the_box() -> None:
    _, checks = look(moved(upright(1), 9, 0, 0))
    assert "left_wrist is at 0, 0" in checks["keypoint at 0, 0"].reason(0)
    assert checks["keypoint at 0, 0"].severity is Severity.MEND


def test_a_keypoint_far_outside_is_named() -> None:
    _, checks = look(moved(upright(1), 0, -40, -40))
    assert set(checks) == {"keypoint outside its box", "keypoint outside the image"}
    assert all(check.severity is Severity.LOOK for check in checks.values())
    assert "nose is outside" in checks["keypoint outside the image"].reason(0)


def test_a_box_of_somebody_else() -> None:
    _, checks = look({**upright(1), "bbox": [0, 0, 8, 8], "area": 40})
    assert list(checks) == ["keypoints not in their box"]
    assert checks["keypoints not in their box"].severity is Severity.MEND


def test_hidden_keypoints_may_lie_outside_the_box_of_what_is_seen() -> None:
    person = {**upright(1), "bbox": [16, 2, 28, 14], "area": 100}  # the head of somebody behind a wall
    for point in range(5, 17):
        person = moved(person, point, *person["keypoints"][3 * point : 3 * point + 2], 1)
    assert look(person)[1] == {}


def test_numbers_that_are_none() -> None:
    _, checks = look(moved(upright(1), 4, float("nan")))
    assert checks["keypoints are no numbers"].severity is Severity.MEND


def test_the_same_person_twice() -> None:
    _, checks = look(upright(1), upright(2), {**upright(3), "image_id": 9})
    assert list(checks) == ["person annotated twice"]
    assert checks["person annotated twice"].rows.tolist() == [False, True, False]


def test_exchanged_sides_are_one_entry_for_a_person() -> None:
    exchanged = upright(1)
    points = np.reshape(exchanged["keypoints"], (17, 3))
    points[[5, 6, 7, 8]] = points[[6, 5, 8, 7]]
    _, checks = look({**exchanged, "keypoints": points.ravel().tolist()})
    assert list(checks) == ["left and right exchanged?"]
    assert "shoulders and hips" in checks["left and right exchanged?"].reason(0)
    assert ";" in checks["left and right exchanged?"].reason(0)


@pytest.mark.parametrize(("number", "severity"), [(90, Severity.LOOK), (110, Severity.NOTE)])
def test_what_many_do_is_the_custom_of_the_set(number: int, severity: Severity) -> None:
    people = [{**upright(i), "bbox": [16.0 + i / 1000, 2, 28, 70]} for i in range(number)]
    others = [{**upright(i + number), "bbox": [16.0 + i / 1000, 2, 28, 56]} for i in range(number)]
    _, checks = look(*people, *others)
    assert checks["box leaves the image"].severity is severity


def test_an_empty_set_is_no_error() -> None:
    _, checks = look()
    assert checks == {}
