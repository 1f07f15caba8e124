"""Annotation and detection files that nobody would think of: everyone in them is used, counted or named."""

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import find_oddities, find_people
from elifpose.datasets.coco import parse_coco
from elifpose.datasets.detections import load_detections
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.structures import get_skeleton
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

FILE = Path("people.json")
NAME = "odd set"
fuzz = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,  # the same examples everywhere
    database=None,  # nothing is left behind
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.floats(),
    st.sampled_from([0, -0.0, 1e6, 1e308, -1e308, 2**31, 2**63, -(2**63), 10**400, float("nan"), float("inf")]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters(), max_size=5), st.just("3.5"))
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def sound_document(skeleton: str = "coco17") -> dict[str, Any]:
    """Three images with four people, of which one is a crowd and one of another category."""
    names = ("a-1.png", "a-2.png", "é/b.png")
    images = [{"id": i, "file_name": name, "width": 64, "height": 60} for i, name in enumerate(names, start=1)]
    counts = {"coco17": 17, "coco_wholebody": 17, "halpe26": 136}
    person = {"iscrowd": 0, "category_id": 1, "bbox": [8.0, 6.0, 40.0, 48.0], "area": 900.0, "num_keypoints": 17}
    people: list[dict[str, Any]] = [
        {"id": i, "image_id": i % 3 + 1, **person, "keypoints": [10 + i, 20, 2] * counts[skeleton]} for i in range(4)
    ]
    if skeleton == "coco_wholebody":
        for one in people:
            one["foot_kpts"] = [30.5, 40, 1] * 6
    people[2]["iscrowd"], people[3]["category_id"] = 1, 2
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "ball"}]
    return {"images": images, "annotations": people, "categories": categories}


def sound_detections() -> list[dict[str, Any]]:
    """Boxes in the images of `sound_document`."""
    return [{"image_id": i % 3 + 1, "category_id": 1, "bbox": [1, 2, 30, 40.5], "score": 0.1 * i} for i in range(5)]


@st.composite
def disturbed(draw: st.DrawFn, sound: Any) -> Any:
    """A sound value in which up to four things are replaced, taken out or doubled."""
    document = copy.deepcopy(sound)
    for _ in range(draw(st.integers(0, 4))):
        inside = document
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(inside[key], dict | list) and draw(st.integers(0, 4)):
                inside = inside[key]
                continue
            change = draw(st.sampled_from(["replace", "replace", "replace", "delete", "double"]))
            if change == "delete":
                del inside[key]
            elif change == "double" and isinstance(inside, list):
                inside.append(copy.deepcopy(inside[key]))
            else:
                inside[key] = draw(JUNK)
            break
    return document


def everyone_is_accounted_for(annotations: Annotations, document: dict[str, Any]) -> None:
    """Everyone in the document is in the arrays, and there is shown or counted; the arrays hold what they promise."""
    assert len(annotations.ids) + annotations.others[0] == len(document.get("annotations", []))
    assert len(annotations.file_names()) == len(document["images"])
    assert np.isfinite(annotations.keypoints).all()
    assert annotations.visibility.max(initial=0) <= 2
    people = find_people(annotations, annotations.visibility > 0, annotations.num_keypoints.astype(np.int64))
    assert len(people.rows) + sum(finding.number for finding in people.findings) == len(annotations.ids)
    assert np.isfinite(people.boxes).all()
    assert (people.boxes[:, 2:] > 0).all()
    odd = {finding.what: finding.number for finding in find_oddities(annotations)}
    assert sum(odd.values()) >= len(annotations.unusable) + annotations.others[0]


def check_named(error: ElifPoseError, file: str) -> None:
    """A message names the file, in one line that can be read."""
    assert file in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 500


@fuzz
@given(st.data(), st.sampled_from(["coco17", "coco_wholebody", "halpe26"]))
def test_everyone_is_packed_and_counted_or_the_file_is_named(data: st.DataObject, skeleton: str) -> None:
    document = data.draw(disturbed(sound_document(skeleton)))
    try:
        annotations = parse_coco(json.dumps(document).encode(), FILE, get_skeleton(skeleton))
    except ElifPoseError as error:
        check_named(error, "people.json")
    else:
        everyone_is_accounted_for(annotations, document)


@pytest.mark.parametrize("changes", [{"images": []}, {"annotations": []}, {"categories": []}, {"categories": None}])
def test_empty_lists_are_accounted_for(changes: dict[str, Any]) -> None:
    document = sound_document() | changes
    everyone_is_accounted_for(parse_coco(json.dumps(document).encode(), FILE, COCO17), document)


@fuzz
@given(JUNK.map(lambda junk: json.dumps(junk).encode()) | st.binary(max_size=40))
@example(b"[" * 100_000)
@example(b"\xff\xfe[\0]\0")
@example(b"9" * 5000)
def test_any_content_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(ElifPoseError) as caught:
        parse_coco(content, FILE, COCO17)
    check_named(caught.value, "people.json")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of `sound_document`, in a folder ``images``."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "images" / "é").mkdir(parents=True)
    for image in sound_document()["images"]:
        cv2.imwrite(str(folder / "images" / image["file_name"]), np.full((60, 64, 3), 99, np.uint8))
    return folder


@settings(fuzz, max_examples=40)
@given(disturbed(sound_document()), st.booleans())
def test_a_data_set_shows_and_counts_everyone_or_names_what_is_wrong(
    root: Path, document: dict[str, Any], training: bool
) -> None:
    (root / "people.json").write_text(json.dumps(document))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f"data set {NAME!r}|.* keypoints are off")
        try:
            data = PoseDataset(NAME, PoseSet("people.json", "images"), root, COCO17, (48, 64), None, training, 0)
        except ElifPoseError as error:
            check_named(error, "people.json" if "people.json" in str(error) else NAME)
            return
        samples = data.__getitems__(range(len(data)))
    assert len(data) + sum(finding.number for finding in data.findings if of_people(finding.what)) == len(
        document.get("annotations", [])
    )
    for sample in samples:
        assert all(np.isfinite(value).all() for value in (sample.keypoints_input, sample.input_to_image, sample.area))
    assert len(data.ground_truth()["images"]) <= len(document["images"])


def of_people(what: str) -> bool:
    """Whether a finding counts annotations that are left out."""
    return not what.startswith(("images with the id", "people with NaN", "of "))


@fuzz
@given(disturbed(sound_detections()))
def test_every_detection_is_used_and_counted_or_the_file_is_named(root: Path, records: list[Any]) -> None:
    annotations = parse_coco(json.dumps(sound_document()).encode(), FILE, COCO17)
    (root / "boxes.json").write_text(json.dumps(records))
    try:
        found = load_detections(root / "boxes.json", annotations)
    except ElifPoseError as error:
        check_named(error, "boxes.json")
    else:
        assert len(found.boxes) + sum(finding.number for finding in found.findings) == len(records)
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.scores).all()
