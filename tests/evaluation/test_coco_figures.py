import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.evaluation import FIGURE_NAMES, coco_keypoint_figures
from elifpose.evaluation.settings import Evaluator
from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError

EVALUATORS: list[Evaluator] = ["arrays", "pycocotools"]

LARGE = [10.0, 20.0, 100.0, 200.0]
"""A box whose 0.53-fold area is in COCO's range (L)."""


def person(box: list[float] = LARGE, image_id: int = 1, shift: float = 0.0, **fields: Any) -> dict[str, Any]:
    """17 labelled keypoints on the diagonal of a box, as annotation or, with a score, as detection."""
    left, top, width, height = box
    steps = np.linspace(0, 1, 17)
    points = np.column_stack((left + width * steps + shift, top + height * steps, np.full(17, 2.0)))
    return {"image_id": image_id, "category_id": 1, "keypoints": points.ravel().tolist()} | fields


def truth(*annotations: dict[str, Any], images: int = 1) -> dict[str, Any]:
    complete = {"bbox": LARGE, "area": 0.53 * 100 * 200, "num_keypoints": 17, "iscrowd": 0}
    return {
        "images": [{"id": number} for number in range(1, images + 1)],
        "annotations": [{"id": i, **complete, **annotation} for i, annotation in enumerate(annotations, start=1)],
        "categories": [{"id": 1, "name": "person"}],
    }


def figures(ground_truth: dict[str, Any], *detections: dict[str, Any]) -> dict[str, float]:
    """On which all evaluators agree."""
    found, *others = (
        coco_keypoint_figures(ground_truth, list(detections), evaluator=evaluator) for evaluator in EVALUATORS
    )
    assert all(other == pytest.approx(found, abs=1e-12) for other in others)
    return dict(zip(FIGURE_NAMES, found, strict=True))


def without(ground_truth: dict[str, Any], *keys: str) -> dict[str, Any]:
    annotations = [
        {key: value for key, value in annotation.items() if key not in keys}
        for annotation in ground_truth["annotations"]
    ]
    return ground_truth | {"annotations": annotations}


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_equals_the_stored_pairs(evaluator: Evaluator, shared: Path) -> None:
    folder = shared / "samples/metric_pairs"
    pairs = json.loads((folder / "expected.json").read_text())
    assert pairs
    for pair in pairs.values():
        ground_truth, detections = (json.loads((folder / pair[key]).read_text()) for key in ("gt", "dt"))
        before = copy.deepcopy((ground_truth, detections))
        found = coco_keypoint_figures(ground_truth, detections, get_skeleton("coco17").sigmas, evaluator)
        assert found == pytest.approx(pair["stats"], abs=1e-9)
        assert (ground_truth, detections) == before


def by_plain_pycocotools(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(ground_truth)
        truth.dataset.setdefault("info", {})  # pycocotools 2.0.10 asks for it
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(detections)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(figure) for figure in evaluation.stats]


@pytest.mark.parametrize("categories", [1, 3])
def test_equals_plain_pycocotools_with_any_number_of_categories(categories: int) -> None:
    rng = np.random.default_rng(0)
    boxes = np.concatenate((rng.uniform(0, 200, (60, 2)), rng.uniform(20, 200, (60, 2))), axis=1).tolist()
    of = [{"image_id": int(rng.integers(1, 9)), "category_id": int(rng.integers(1, 3))} for _ in boxes]
    if categories == 1:
        of = [each | {"category_id": 1} for each in of]
    people = [
        person(box, bbox=box, area=box[2] * box[3] / 2, iscrowd=int(rng.random() < 0.1), **each)
        for box, each in zip(boxes, of, strict=True)
    ]
    ground_truth = truth(*people, images=8) | {"categories": [{"id": number + 1} for number in range(categories)]}
    detections = [
        person(box, shift=float(shift), score=float(score), **each)
        for box, each, shift, score in zip(boxes, of, rng.normal(0, 9, 60), rng.random(60), strict=True)
    ]
    expected = by_plain_pycocotools(ground_truth, detections)
    assert 0.05 < min(expected) < max(expected) < 0.95
    assert coco_keypoint_figures(ground_truth, detections) == pytest.approx(expected, abs=1e-9)


def test_right_people_are_found_completely() -> None:
    found = figures(truth(person()), person(score=0.3))
    missing = {"AP(M)": -1.0, "AR(M)": -1.0}
    assert found == pytest.approx(dict.fromkeys(FIGURE_NAMES, 1.0) | missing, abs=1e-12)


def test_inputs_are_not_modified_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    ground_truth, detections = truth(person(), person(shift=40)), [person(score=0.3), person(score=0.2)]
    before = copy.deepcopy((ground_truth, detections))
    coco_keypoint_figures(ground_truth, detections)
    assert (ground_truth, detections) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("ids", [(0, 1), (5, 5), (0, 0)])
def test_ids_may_begin_at_0_or_repeat(ids: tuple[int, int]) -> None:
    ground_truth = truth(person(id=ids[0]), person(id=ids[1], shift=500))
    assert figures(ground_truth, person(score=0.9), person(score=0.8, shift=500))["AP"] == pytest.approx(1)


def test_missing_fields_are_filled() -> None:
    complete = truth(person(), images=2)
    smaller = truth(person(area=0.5 * 100 * 200), images=2)
    incomplete = without(complete, "area", "num_keypoints", "iscrowd", "id", "category_id", "categories")
    detections = [person(score=0.5, shift=float(shift)) for shift in np.linspace(0, 20, 60)]
    found, expected, others = (
        [figures(ground_truth, detection) for detection in detections]
        for ground_truth in (incomplete, complete, smaller)
    )
    assert found == expected
    assert found != others  # the area was of influence


def test_people_without_keypoints_are_ignored() -> None:
    unlabelled = person(keypoints=[0] * 51, num_keypoints=0)
    missing = [without(truth(person()), "keypoints", *keys)["annotations"][0] for keys in ((), ("num_keypoints",))]
    for nobody in (unlabelled, *missing):
        found = figures(truth(person(shift=1e4), nobody), person(score=0.3, shift=1e4), person(score=0.9))
        assert found["AP"] == pytest.approx(1)
    assert figures(truth(person(shift=1e4)), person(score=0.3, shift=1e4), person(score=0.9))["AP"] == pytest.approx(
        0.5
    )


def test_crowds_are_ignored_and_take_any_number_of_detections() -> None:
    crowd = person(keypoints=[0] * 51, num_keypoints=0, iscrowd=1)
    detections = [person(score=0.3, shift=1e4), *(person(score=0.9, shift=step) for step in range(5))]
    assert figures(truth(person(shift=1e4), crowd), *detections)["AP"] == pytest.approx(1)
    assert figures(truth(person(shift=1e4), crowd | {"iscrowd": 0}), *detections)["AP"] < 0.5


def test_scores_of_0_are_ordinary() -> None:
    ground_truth = truth(person(), person(shift=500))
    assert figures(ground_truth, person(score=0), person(score=0, shift=500))["AP"] == pytest.approx(1)
    # of equal scores the first counts first: a false detection before the right one halves the precision
    wrong, right = person(score=0, shift=-500), person(score=0)
    assert figures(truth(person()), right, wrong)["AP"] == pytest.approx(1)
    assert figures(truth(person()), wrong, right)["AP"] == pytest.approx(0.5)


def test_no_detections_give_0() -> None:
    expected = {name: -1.0 if "(M)" in name else 0.0 for name in FIGURE_NAMES}
    assert figures(truth(person())) == expected


def test_no_ground_truth_gives_minus_1() -> None:
    nothing = dict.fromkeys(FIGURE_NAMES, -1.0)
    assert figures(truth()) == nothing
    assert figures(truth(), person(score=1)) == nothing
    assert figures({"images": []}) == nothing
    assert figures(truth(person(keypoints=[0] * 51, num_keypoints=0)), person(score=1)) == nothing


def test_images_without_detections_count_as_misses() -> None:
    found = figures(truth(person(image_id=1), person(image_id=2), images=2), person(score=1, image_id=2))
    assert found["AR"] == pytest.approx(0.5)


def test_at_most_20_detections_of_an_image_count() -> None:
    wrong = [person(score=0.9, shift=500.0 + number) for number in range(20)]
    assert figures(truth(person()), *wrong[1:], person(score=0.1))["AR"] == pytest.approx(1)
    assert figures(truth(person()), *wrong, person(score=0.1))["AR"] == 0


def test_area_of_an_unmatched_detection_is_its_box_or_its_extent() -> None:
    ground_truth = truth(person(area=5000.0))
    right, wrong = person(score=0.1), person(score=0.9, shift=500)
    assert figures(ground_truth, right, wrong)["AP(M)"] == pytest.approx(1)  # its extent, 100 × 200, is (L)
    assert figures(ground_truth, right, wrong | {"bbox": [510, 20, 50, 100]})["AP(M)"] == pytest.approx(0.5)


def test_coordinates_and_scores_that_are_no_numbers_match_nothing() -> None:
    nowhere = person(score=0.9, keypoints=[float("nan"), float("nan"), 1.0] * 17)
    assert figures(truth(person()), nowhere)["AR"] == 0
    assert figures(truth(person()), nowhere, person(score=0.1))["AP"] == pytest.approx(0.5)
    first = person(score=float("nan"), shift=500)
    assert figures(truth(person()), first, person(score=0.1))["AP"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("annotation", "detection", "message"),
    [
        (
            person(keypoints=[0] * 78),
            person(score=1),
            r"annotation 1 of image 1 has 78 keypoint values.*17 sigmas ask for 51",
        ),
        (person(bbox=None), person(score=1), r"annotation 1 of image 1 has no 'bbox'"),
        (person(), person(score=1, keypoints=[0] * 50), r"detection 1 \(image 1\) has 50 keypoint values"),
        (person(), person(score=1, image_id=9), r"detection 1 \(image 9\) is for an image that the ground truth"),
    ],
)
def test_what_does_not_fit_is_named(annotation: dict[str, Any], detection: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        figures(truth(annotation), detection)
