import contextlib
import copy
import io
import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from elifpose.evaluation import FIGURE_NAMES, KeypointAP, coco_keypoint_figures
from elifpose.evaluation.settings import Evaluation, Evaluator, PersonScore
from elifpose.utils.errors import ElifPoseError

EVALUATORS: list[Evaluator] = ["arrays", "pycocotools"]
COCO_NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")


class Case(NamedTuple):
    """Stored predictions, what they are compared with, and what comes out."""

    sigmas: tuple[float, ...]
    ground_truth: dict[str, Any]
    detections: tuple[Tensor, ...]
    expected: dict[str, dict[str, float]]

    def metric(self, settings: Evaluation = Evaluation(), from_detector: bool = False) -> KeypointAP:  # noqa: B008
        return KeypointAP(self.sigmas, self.ground_truth, settings, from_detector)


@pytest.fixture(params=[17, 26])
def case(request: pytest.FixtureRequest, reference: Path) -> Case:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(request.param)]
    samples = stored["samples"]
    names = ("keypoints", "keypoint_scores", "bbox_scores", "img_id", "id", "bboxes")
    *detections, boxes = (torch.tensor(samples[name]) for name in names)
    boxes[:, 2:] -= boxes[:, :2]
    ground_truth = json.loads((reference / f"synth_metric_gt{request.param}.json").read_text())
    return Case(tuple(stored["sigmas"]), ground_truth, (*detections, boxes), stored["results"])


def stored_figures(result: dict[str, float]) -> list[float]:
    return [result[f"coco/{name}"] for name in COCO_NAMES]


def test_equals_the_stored_figures(case: Case) -> None:
    expected = case.expected["bbox_keypoint/none@0.9"]
    metric = case.metric()
    metric.update(*case.detections)
    figures = metric.compute()
    assert tuple(figures) == FIGURE_NAMES
    assert all(figure.dtype == torch.float64 and figure.shape == () for figure in figures.values())
    assert [float(figure) for figure in figures.values()] == pytest.approx(stored_figures(expected), abs=1e-9)
    results = metric.results()
    assert len(results) == expected["n_kept"]
    assert sum(result["score"] for result in results) == pytest.approx(expected["score_sum"], abs=1e-6)


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_whoever_computes_gives_the_stored_figures(case: Case, evaluator: Evaluator) -> None:
    metric = case.metric(Evaluation(evaluator=evaluator))
    metric.update(*case.detections)
    figures = [float(figure) for figure in metric.compute().values()]
    assert figures == pytest.approx(stored_figures(case.expected["bbox_keypoint/none@0.9"]), abs=1e-9)


@pytest.mark.parametrize("score", ["bbox", "keypoint", "bbox_keypoint", "bbox_rle"])
@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_scores_and_suppression_equal_the_stored_figures(case: Case, score: PersonScore, threshold: float) -> None:
    settings = Evaluation(score=score, nms_threshold=threshold)
    for from_detector, name in ((True, f"{score}/oks_nms@{threshold}"), (False, f"{score}/none@0.9")):
        metric = case.metric(settings, from_detector)
        metric.update(*case.detections)
        figures = [float(figure) for figure in metric.compute().values()]
        assert figures == pytest.approx(stored_figures(case.expected[name]), abs=1e-9)
        assert len(metric.results()) == case.expected[name]["n_kept"]


def without(ground_truth: dict[str, Any], *keys: str) -> dict[str, Any]:
    annotations = [
        {key: value for key, value in annotation.items() if key not in keys}
        for annotation in ground_truth["annotations"]
    ]
    return ground_truth | {"annotations": annotations}


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_ids_do_not_matter(case: Case, evaluator: Evaluator) -> None:
    for ids in (0, 10**9):  # all others count on from here
        annotations = [each | {"id": ids + i} for i, each in enumerate(case.ground_truth["annotations"])]
        ground_truth = case.ground_truth | {"annotations": annotations}
        metric = KeypointAP(case.sigmas, ground_truth, Evaluation(evaluator=evaluator))
        metric.update(*case.detections)
        figures = [float(figure) for figure in metric.compute().values()]
        assert figures == pytest.approx(stored_figures(case.expected["bbox_keypoint/none@0.9"]), abs=1e-9)


@pytest.mark.parametrize("keys", [("num_keypoints",), ("area",), ("id", "area", "num_keypoints", "iscrowd")])
def test_missing_fields_give_what_pycocotools_gives_with_them(case: Case, keys: tuple[str, ...]) -> None:
    complete = []
    for annotation in case.ground_truth["annotations"]:
        filled = {"num_keypoints": sum(v > 0 for v in annotation["keypoints"][2::3]), "iscrowd": 0}
        filled["area"] = 0.53 * annotation["bbox"][2] * annotation["bbox"][3]
        complete.append(annotation | {key: value for key, value in filled.items() if key in keys})
    metric = KeypointAP(case.sigmas, without(case.ground_truth, *keys))
    metric.update(*case.detections)
    assert [float(figure) for figure in metric.compute().values()] == pytest.approx(
        by_plain_pycocotools(case, complete, metric.results()), abs=1e-9
    )


def test_scores_of_0_and_crowds_give_what_pycocotools_gives(case: Case) -> None:
    annotations = [each | {"iscrowd": int(i % 3 == 0)} for i, each in enumerate(case.ground_truth["annotations"])]
    metric = KeypointAP(case.sigmas, case.ground_truth | {"annotations": annotations})
    metric.update(case.detections[0], case.detections[1] * 0, *case.detections[2:])
    results = metric.results()
    assert {result["score"] for result in results} == {0}
    figures = [float(figure) for figure in metric.compute().values()]
    assert 0.05 < figures[0] < 0.95
    assert figures == pytest.approx(by_plain_pycocotools(case, annotations, results), abs=1e-9)


def by_plain_pycocotools(case: Case, annotations: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[float]:
    """By a JSON with these annotations and `COCO.loadRes`."""
    numbered = [each | {"id": number} for number, each in enumerate(annotations, start=1)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = case.ground_truth | {"annotations": numbered, "categories": [{"id": 1}]}
        truth.dataset.setdefault("info", {})  # pycocotools 2.0.10 asks for it
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(case.sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(figure) for figure in evaluation.stats]


def test_nobody_annotated_gives_minus_1(case: Case) -> None:
    metric = KeypointAP(case.sigmas, case.ground_truth | {"annotations": []})
    metric.update(*case.detections)
    assert {float(figure) for figure in metric.compute().values()} == {-1}


def test_order_batches_and_repetitions_do_not_matter(case: Case) -> None:
    keypoints, scores, box_scores, *rest = case.detections
    rows = (keypoints, torch.full_like(scores, 0.5), torch.ones_like(box_scores), *rest)  # ties: the order decides
    metrics = case.metric(), case.metric()
    metrics[0].update(*rows)
    N = len(keypoints)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0)).tolist() + list(range(20))
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        metrics[1].update(*(values[batch] for values in rows))
    assert metrics[0].compute() == metrics[1].compute()
    assert metrics[0].results() == metrics[1].results()
    assert len(metrics[1].results()) == N


def test_other_people_of_an_image_are_kept(case: Case) -> None:
    metric = case.metric()
    keypoints, scores, box_scores = (values[:1] for values in case.detections[:3])
    for image_id, sample in ((1, 0), (1, 1), (2, 0), (1, 0)):
        metric.update(keypoints, scores, box_scores, torch.tensor([image_id]), torch.tensor([sample]))
    assert [result["image_id"] for result in metric.results()] == [1, 1, 2]


def test_nobody_detected_gives_0(case: Case) -> None:
    metric = case.metric()
    metric.update(*(values[:0] for values in case.detections))
    assert metric.results() == []
    assert metric.compute()["AP"] == 0


def test_results_are_a_coco_json_with_the_same_figures(case: Case) -> None:
    metric = case.metric()
    metric.update(*case.detections)
    results = json.loads(json.dumps(metric.results()))
    assert results[0].keys() == {"image_id", "category_id", "keypoints", "score", "bbox"}
    first = np.asarray(results[0]["keypoints"]).reshape(-1, 3)
    np.testing.assert_array_equal(first[:, :2], case.detections[0][0])
    np.testing.assert_array_equal(first[:, 2], case.detections[1][0])
    np.testing.assert_array_equal(results[0]["bbox"], case.detections[5][0])
    figures = coco_keypoint_figures(case.ground_truth, results, case.sigmas)
    assert figures == [float(figure) for figure in metric.compute().values()]


def test_boxes_decide_about_false_detections_in_medium_and_large_alone(case: Case) -> None:
    metrics = case.metric(), case.metric()
    metrics[0].update(*case.detections)
    metrics[1].update(*case.detections[:5])
    assert all("bbox" not in result for result in metrics[1].results())
    with_boxes, without = metrics[0].compute(), metrics[1].compute()
    assert {name for name in FIGURE_NAMES if with_boxes[name] != without[name]} == {"AP(M)", "AP(L)"}


def test_reset_forgets(case: Case) -> None:
    metric = case.metric()
    metric.update(*case.detections)
    metric.reset()
    metric.update(*(values[:0] for values in case.detections))
    assert metric.results() == []


def test_copies_and_pickles_carry_on_and_nothing_goes_to_checkpoints(case: Case) -> None:
    metric = case.metric()
    metric.update(*(values[:50] for values in case.detections))
    copies = copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))  # noqa: S301
    for each in (metric, *copies):
        each.update(*(values[50:] for values in case.detections))
        assert not each.state_dict()
    assert metric.compute() == copies[0].compute() == copies[1].compute()


def test_the_ground_truth_is_not_modified(case: Case) -> None:
    before = copy.deepcopy(case.ground_truth)
    metric = case.metric()
    metric.update(*case.detections)
    metric.compute()
    assert case.ground_truth == before


def test_what_does_not_fit_is_named_at_once(case: Case) -> None:
    with pytest.raises(ValueError, match="sigmas must be positive"):
        KeypointAP((0.1, 0.0), {"images": [], "annotations": []})
    with pytest.raises(ElifPoseError, match="sigmas ask for"):
        KeypointAP(case.sigmas[:-1], case.ground_truth)
    annotation = case.ground_truth["annotations"][0] | {"id": 77, "category_id": 3}
    with pytest.raises(ElifPoseError, match=r"annotation 77 of image \d+ has category 3, not 1 \(person\)"):
        KeypointAP(case.sigmas, case.ground_truth | {"annotations": [annotation]})


def test_a_detection_of_an_image_that_is_not_listed_is_named(case: Case) -> None:
    metric = case.metric()
    keypoints, scores, box_scores = (values[:1] for values in case.detections[:3])
    metric.update(keypoints, scores, box_scores, torch.tensor([987]), torch.tensor([0]))
    with pytest.raises(ElifPoseError, match="a detection is for image 987, which the ground truth does not list"):
        metric.compute()
