import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.annotations import load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.datasets.detections import load_detections
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

Person = Callable[..., dict[str, Any]]
IMAGES = [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 60} for i in (9, 7)]
ANNOTATIONS = parse_coco(json.dumps({"images": IMAGES, "annotations": []}).encode(), Path("a.json"), COCO17)


def detection(image_id: int, score: float, **changes: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "bbox": [-3, 2, 9, 4], "score": score, **changes}


def test_boxes_come_by_image_and_what_is_odd_is_counted(tmp_path: Path) -> None:
    odd = [
        detection(8, 0.3),
        detection(9, 0.4, category_id=2),
        detection(9, 0.5, bbox=[1, 2, 0, 4]),
        detection(7, float("nan")),
    ]
    sound = [detection(7, 0.9), detection(9, 0.2, bbox=[-3, 2, 2, 4]), detection(9, 0.8)]
    (tmp_path / "d.json").write_text(json.dumps(odd + sound))
    found = load_detections(tmp_path / "d.json", ANNOTATIONS)
    np.testing.assert_array_equal(found.image_indices, [0, 0, 1])
    np.testing.assert_array_equal(found.scores, [0.2, 0.8, 0.9])
    np.testing.assert_array_equal(found.boxes, [[-3, 2, 2, 4], [-3, 2, 9, 4], [-3, 2, 9, 4]])
    assert [(finding.number, finding.expected) for finding in found.findings] == [(1, True), (1, False), (2, False)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "not a list of detections"),
        ("[3]", "detection number 0 is not an object"),
        ('[{"bbox": [1, 2, 3, 4]}]', "'image_id' must be a whole number"),
        ("[]", "no person box"),
        (json.dumps([detection(8, 0.5)]), "no person box"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(ElifPoseError, match=rf"d\.json.*{message}"):
        load_detections(tmp_path / "d.json", ANNOTATIONS)
    with pytest.raises(ElifPoseError, match=r"no detection file .*e\.json"):
        load_detections(tmp_path / "e.json", ANNOTATIONS)


def test_equal_to_the_reference(shared: Path) -> None:
    coco = shared / "samples" / "body8" / "coco"
    wanted = json.loads((shared / "reference" / "datasets.json").read_text())["coco_det"]
    annotations = load_annotations(coco / "test_coco.json", COCO17, parse_coco)
    found = load_detections(coco / Path(wanted["bbox_file"]).name, annotations)
    assert len(found.boxes) == wanted["n"]
    assert np.count_nonzero(found.scores >= 0.3) == wanted["n_thr0.3"]
    corners = np.concatenate((found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]), axis=1)
    for box, score, image, instance in zip(
        corners, found.scores, found.image_indices, wanted["first20"], strict=False
    ):
        np.testing.assert_allclose(box, instance["bbox_xyxy"], rtol=1e-6)
        assert score == pytest.approx(instance["score"], rel=1e-6)
        assert annotations.image_ids[image] == instance["img_id"]
