import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.evaluation.average_precision import figures, precision_recall
from elifpose.evaluation.detections import detected_people
from elifpose.evaluation.matching import match
from elifpose.evaluation.oks import FloatArray
from elifpose.evaluation.people import TruePeople
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.settings import Evaluation, PersonScore

COCO_NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")


def predictions_of(
    keypoints: FloatArray, scores: FloatArray, box_scores: FloatArray, boxes: FloatArray
) -> Predictions:
    N, K = scores.shape
    return Predictions(
        image_ids=np.ones(N, dtype=np.int64),
        sample_indices=np.arange(N),
        keypoints=keypoints,
        keypoint_scores=scores,
        box_scores=box_scores,
        boxes=boxes,
        keypoints_true=np.zeros((N, K, 2)),
        labelled=np.zeros((N, K), dtype=bool),
        areas=np.zeros(N),
        pixel_sizes=np.ones(N),
    )


@pytest.mark.parametrize("K", [17, 26])
@pytest.mark.parametrize("score", ["bbox", "keypoint", "bbox_keypoint", "bbox_rle"])
@pytest.mark.parametrize(
    ("nms", "stored_nms", "threshold"), [("none", "none", 0.9), ("hard", "oks_nms", 0.9), ("hard", "oks_nms", 0.5)]
)
def test_figures_equal_the_stored_ones(
    reference: Path, K: int, score: PersonScore, nms: Any, stored_nms: str, threshold: float
) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    truth = TruePeople.from_coco(json.loads((reference / f"synth_metric_gt{K}.json").read_text()), K)
    expected = stored["results"][f"{score}/{stored_nms}@{threshold}"]
    samples = {name: np.array(values) for name, values in stored["samples"].items()}
    boxes = np.column_stack((samples["bboxes"][:, :2], samples["bboxes"][:, 2:] - samples["bboxes"][:, :2]))
    predictions = predictions_of(samples["keypoints"], samples["keypoint_scores"], samples["bbox_scores"], boxes)
    images, sigmas = np.searchsorted(truth.image_ids, samples["img_id"]), np.array(stored["sigmas"])
    settings = Evaluation(score=score, nms=nms, nms_threshold=threshold)
    kept, detected = detected_people(predictions, images, sigmas, settings, from_detector=True)
    assert len(kept) == expected["n_kept"]
    assert detected.scores.sum() == pytest.approx(expected["score_sum"], abs=1e-5)
    found = figures(precision_recall(match(truth, detected, sigmas)))
    assert list(found.values()) == pytest.approx([expected[f"coco/{name}"] for name in COCO_NAMES], abs=1e-9)


def twins() -> Predictions:
    """Two people at one place, the second with the higher score, and one elsewhere."""
    keypoints = np.array([[[5.0, 5.0]], [[5.0, 5.0]], [[90.0, 5.0]]])
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 9.0, 10.0], [80.0, 0.0, 20.0, 10.0]])
    return predictions_of(keypoints, np.array([[0.5], [0.6], [0.7]]), np.ones(3), boxes)


def test_only_a_detectors_boxes_are_suppressed() -> None:
    images, sigmas = np.zeros(3, dtype=np.int64), np.array([0.1])
    kept, detected = detected_people(twins(), images, sigmas, Evaluation(), from_detector=True)
    assert kept.tolist() == [1, 2]
    assert detected.scores.tolist() == [0.6, 0.7]
    assert detected.areas.tolist() == [90, 200]
    assert detected.keypoints.tolist() == [[[5, 5]], [[90, 5]]]
    for settings, from_detector in ((Evaluation(), False), (Evaluation(nms="none"), True)):
        kept, detected = detected_people(twins(), images, sigmas, settings, from_detector)
        assert kept.tolist() == [0, 1, 2]
        assert detected.scores.tolist() == [0.5, 0.6, 0.7]


def test_soft_suppression_lowers_scores_and_keeps_everyone() -> None:
    images, sigmas = np.zeros(3, dtype=np.int64), np.array([0.1])
    settings = Evaluation(nms="soft", nms_threshold=0.5)
    kept, detected = detected_people(twins(), images, sigmas, settings, from_detector=True)
    assert kept.tolist() == [0, 1, 2]
    assert detected.scores == pytest.approx([0.5 * np.exp(-2), 0.6, 0.7])


def test_keypoints_that_are_no_numbers_are_far_away() -> None:
    predictions = twins()
    predictions.keypoints[0, 0, 1] = np.nan
    kept, detected = detected_people(predictions, np.zeros(3, dtype=np.int64), np.array([0.1]), Evaluation(), True)
    assert kept.tolist() == [0, 1, 2]
    assert np.isfinite(detected.keypoints).all()
    assert np.abs(detected.keypoints[0]).min() > 1e5


def test_nobody_is_nobody() -> None:
    nobody = predictions_of(np.zeros((0, 1, 2)), np.zeros((0, 1)), np.zeros(0), np.zeros((0, 4)))
    kept, detected = detected_people(nobody, np.zeros(0, dtype=np.int64), np.array([0.1]), Evaluation(), True)
    assert kept.size == detected.scores.size == 0
