import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elifpose.evaluation.average_precision import FIGURE_NAMES
from elifpose.evaluation.coco_figures import coco_keypoint_figures
from elifpose.evaluation.oks import oks
from elifpose.evaluation.pck import auc, keypoint_distances, mean_error, pck
from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.evaluation.settings import Evaluation
from elifpose.structures import PoseBatch, get_skeleton
from elifpose.utils.errors import ElifPoseError

SKELETON = get_skeleton("coco17")
K = SKELETON.num_keypoints
SCALE = 2.0
BOX, AREA = [0.0, 0.0, 100.0, 200.0], 10000.0


def people(count: int, per_image: int = 1) -> tuple[Tensor, dict[str, Any], PoseBatch]:
    """Random people: their keypoints in image pixels, the ground truth and their batch.

    A crop shows the image at half its size, moved by (5, 3) image pixels. Of every third person the left hip is not
    labelled.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((count, K, 2), generator=generator) * torch.tensor([100.0, 200.0])
    to_image = torch.tensor([[SCALE, 0.0, 5.0], [0.0, SCALE, 3.0]])
    weights = torch.ones(count, K)
    weights[::3, SKELETON.index("left_hip")] = 0
    image_ids = torch.arange(count) // per_image + 1
    labelled = torch.cat((image, 2 * weights[..., None]), dim=-1)
    truth = {
        "images": [{"id": i} for i in set(image_ids.tolist())],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(image_ids[i]),
                "category_id": 1,
                "keypoints": labelled[i].flatten().tolist(),
                "num_keypoints": int(weights[i].sum()),
                "bbox": BOX,
                "area": AREA,
                "iscrowd": 0,
            }
            for i in range(count)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    batch = PoseBatch(
        images=torch.zeros((count, 3, 4, 4), dtype=torch.uint8),
        keypoints_input=(image - to_image[:, 2]) / SCALE,
        weights=weights,
        input_to_image=to_image.expand(count, 2, 3),
        boxes_image=torch.tensor(BOX).expand(count, 4),
        box_scores=torch.ones(count),
        areas=torch.full((count,), AREA),
        image_ids=image_ids,
        sample_indices=torch.arange(count),
        dataset_indices=torch.zeros(count, dtype=torch.int64),
    )
    return image, truth, batch


def noisy(batch: PoseBatch, noise: float = 4.0) -> tuple[Tensor, Tensor]:
    """Predictions for a batch: keypoints in input pixels and scores."""
    generator = torch.Generator().manual_seed(1)
    keypoints = batch.keypoints_input + noise * torch.randn(batch.keypoints_input.shape, generator=generator)
    return keypoints, torch.rand(batch.weights.shape, generator=generator)


def rows(batch: PoseBatch, chosen: list[int]) -> PoseBatch:
    return PoseBatch(*(values[chosen] for values in batch))


def test_predictions_in_input_pixels_are_measured_in_image_pixels() -> None:
    _, truth, batch = people(6)
    evaluator = SetEvaluator(SKELETON, truth)
    evaluator.update(batch.keypoints_input + torch.tensor([1.5, -2.0]), torch.ones(6, K), batch)
    figures = evaluator.compute()
    assert list(figures) == [*FIGURE_NAMES, "PCK@0.05", "PCK@0.1", "PCK@0.2", "AUC", "EPE", "NME"]
    assert all(figure.dtype == torch.float64 and figure.shape == () for figure in figures.values())
    assert float(figures["EPE"]) == pytest.approx(SCALE * 2.5, rel=1e-5)
    assert float(figures["PCK@0.05"]) == 1  # 5 of 200 pixels
    assert float(figures["NME"]) == pytest.approx(5 / 200, rel=1e-5)
    similarity = np.exp(-(5.0**2) / (2 * AREA * (2 * np.array(SKELETON.sigmas)) ** 2))
    whole, no_hip = similarity.mean(), np.delete(similarity, SKELETON.index("left_hip")).mean()
    assert 0.85 < min(whole, no_hip) < max(whole, no_hip) < 0.9  # eight of the ten thresholds
    assert float(figures["AP"]) == pytest.approx(0.8)
    assert evaluator.evaluate().predictions.pixel_sizes == pytest.approx([SCALE] * 6)


def test_figures_equal_pycocotools_and_the_functions_of_distances() -> None:
    image, truth, batch = people(30, per_image=3)
    predicted, scores = noisy(batch)
    evaluator = SetEvaluator(SKELETON, truth, Evaluation(pck=(0.03,), nme=("left_shoulder", "left_hip")))
    evaluator.update(predicted, scores, batch)
    evaluation = evaluator.evaluate()
    found = evaluation.figures
    results = json.loads(json.dumps(evaluation.results()))
    expected = coco_keypoint_figures(truth, results, SKELETON.sigmas, "pycocotools")
    assert [found[name] for name in FIGURE_NAMES] == pytest.approx(expected, abs=1e-9)
    assert 0.1 < found["AP"] < 0.9

    true, labelled = image.double().numpy(), batch.weights.numpy() > 0
    of_image = (predicted.double() * SCALE + torch.tensor([5.0, 3.0])).numpy()
    pixels = keypoint_distances(of_image, true, labelled)
    shoulder, hip = SKELETON.index("left_shoulder"), SKELETON.index("left_hip")
    torsos = np.linalg.norm(true[:, shoulder] - true[:, hip], axis=1)
    torsos[::3] = 0  # the hip is not labelled
    assert found["PCK@0.03"] == pytest.approx(pck(pixels / 200, 0.03), abs=1e-9)
    assert found["AUC"] == pytest.approx(auc(pixels), abs=1e-9)
    assert found["EPE"] == pytest.approx(mean_error(pixels), rel=1e-6)
    assert found["NME"] == pytest.approx(np.nanmean(pixels[torsos > 0] / torsos[torsos > 0, None]), rel=1e-6)

    boxes, areas = np.tile(BOX, (30, 1)), np.full(30, AREA)
    own = np.diagonal(oks(of_image, true, labelled, areas, boxes, np.array(SKELETON.sigmas)))
    np.testing.assert_allclose(evaluation.similarities, own, rtol=1e-4)
    raw, correct = evaluation.scored_keypoints()
    np.testing.assert_array_equal(raw, scores.double().numpy()[labelled])
    np.testing.assert_array_equal(correct, pixels[labelled] < 20)
    assert [each.name for each in evaluation.per_keypoint] == list(SKELETON.keypoints)
    assert evaluation.interval(20).estimate == found["AP"]


def test_results_hold_raw_scores_and_persons_scores() -> None:
    image, truth, batch = people(2)
    scores = torch.linspace(0.25, 1, 2 * K).view(2, K)
    evaluator = SetEvaluator(SKELETON, truth, Evaluation(score="keypoint"))
    evaluator.update(batch.keypoints_input, scores, batch)
    results = evaluator.evaluate().results()
    assert [result["image_id"] for result in results] == [1, 2]
    for i, result in enumerate(results):
        triples = np.reshape(result["keypoints"], (K, 3))
        np.testing.assert_allclose(triples[:, :2], image[i], atol=1e-4)
        np.testing.assert_allclose(triples[:, 2], scores[i])
        assert result["score"] == pytest.approx(scores[i].double().mean().item())
        assert result["bbox"] == BOX


def test_a_detectors_repetitions_are_suppressed_and_have_only_average_precision() -> None:
    _, truth, batch = people(4, per_image=2)
    twice = rows(batch, [0, 1, 2, 3, 0, 1, 2, 3])._replace(
        sample_indices=torch.arange(8), weights=torch.zeros(8, K), areas=torch.zeros(8)
    )
    scores = torch.full((8, K), 0.9)
    scores[4:] = 0.5
    figures = {}
    for nms in ("none", "hard"):
        evaluator = SetEvaluator(SKELETON, truth, Evaluation(nms=nms), from_detector=True)
        evaluator.update(twice.keypoints_input, scores, twice)
        evaluation = evaluator.evaluate()
        figures[nms] = evaluation.figures
        assert len(evaluation.results()) == len(evaluation.kept) == {"none": 8, "hard": 4}[nms]
    assert evaluation.kept.tolist() == [0, 1, 4, 5]  # by image, the first two people of each
    assert figures["hard"]["AP"] == pytest.approx(1)
    assert {figures["hard"][name] for name in ("PCK@0.1", "AUC", "EPE", "NME")} == {-1}


def test_keypoints_keep_their_precision_under_autocast() -> None:
    _, truth, batch = people(6)
    evaluator = SetEvaluator(SKELETON, truth)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        evaluator.update(batch.keypoints_input, torch.ones(6, K), batch)
    assert float(evaluator.compute()["EPE"]) == 0
    keypoints = evaluator.evaluate().predictions.keypoints
    np.testing.assert_allclose(keypoints, batch.keypoints_input.numpy() * SCALE + [5, 3], atol=1e-4)


def test_reset_forgets_what_was_added() -> None:
    _, truth, batch = people(3)
    evaluator = SetEvaluator(SKELETON, truth)
    evaluator.update(batch.keypoints_input + 100, torch.ones(3, K), batch)
    evaluator.reset()
    evaluator.update(batch.keypoints_input, torch.ones(3, K), batch)
    assert float(evaluator.compute()["AP"]) == pytest.approx(1)


def test_a_keypoint_of_a_person_without_size_does_not_count() -> None:
    _, truth, batch = people(2)
    flat = batch._replace(boxes_image=torch.tensor([BOX, [0.0, 0.0, 0.0, 0.0]]))
    evaluator = SetEvaluator(SKELETON, truth)
    evaluator.update(batch.keypoints_input, torch.ones(2, K), flat)
    scores, correct = evaluator.evaluate().scored_keypoints()
    assert len(scores) == len(correct) == K - 1
    assert correct.all()


def test_a_set_without_annotations_has_predictions_alone() -> None:
    _, truth, batch = people(3)
    evaluator = SetEvaluator(SKELETON, truth | {"annotations": []})
    evaluator.update(batch.keypoints_input, torch.ones(3, K), batch._replace(weights=torch.zeros(3, K)))
    evaluation = evaluator.evaluate()
    assert not evaluation.has_truth
    assert len(evaluation.results()) == 3
    assert set(evaluation.figures.values()) == {-1}


def test_nobody_predicted_is_nobody_found() -> None:
    _, truth, _ = people(3)
    evaluation = SetEvaluator(SKELETON, truth).evaluate()
    assert evaluation.has_truth
    assert evaluation.results() == []
    assert {name: evaluation.figures[name] for name in ("AP", "AR", "EPE")} == {"AP": 0, "AR": 0, "EPE": -1}


def test_predictions_of_other_images_are_refused() -> None:
    _, truth, batch = people(3)
    evaluator = SetEvaluator(SKELETON, truth | {"images": truth["images"][:2]})
    evaluator.update(batch.keypoints_input, torch.ones(3, K), batch)
    with pytest.raises(
        ElifPoseError, match="predictions of 1 images, such as 3, that the ground truth does not list"
    ):
        evaluator.evaluate()


def test_a_size_needs_keypoints_of_the_skeleton() -> None:
    with pytest.raises(ElifPoseError, match=r"model.evaluation.nme: skeleton 'coco17' has no keypoint left_ankel"):
        SetEvaluator(SKELETON, people(1)[1], Evaluation(nme=("left_hip", "left_ankel")))
