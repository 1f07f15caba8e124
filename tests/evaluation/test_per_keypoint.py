import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.evaluation.coco_figures import coco_keypoint_figures
from elifpose.evaluation.people import DetectedPeople, TruePeople
from elifpose.evaluation.per_keypoint import figures_per_keypoint, swapped_shares
from elifpose.evaluation.predictions import Predictions
from elifpose.structures.skeleton import Skeleton

SKELETON = Skeleton(
    name="face",
    keypoints=("nose", "left_eye", "right_eye"),
    flip_pairs=(("left_eye", "right_eye"),),
    sigmas=(0.1, 0.05, 0.05),
    sigmas_source="made up",
    joint_weights=(1.0, 1.0, 1.0),
    upper_body=(),
    lower_body=(),
)
AREA = 2500.0
NEAR_HALF = float(np.sqrt(np.log(2) * 2 * AREA) * 2 * 0.05)  # pixels at which an eye's similarity is 0.5


def predictions_of(keypoints: Any, keypoints_true: Any, labelled: Any = True, pixel_sizes: Any = 1.0) -> Predictions:
    """Of one person in each image, all in the same box."""
    found, true = np.asarray(keypoints, dtype=np.float64), np.asarray(keypoints_true, dtype=np.float64)
    N, K = found.shape[:2]
    return Predictions(
        image_ids=np.arange(N),
        sample_indices=np.arange(N),
        keypoints=found,
        keypoint_scores=np.full((N, K), 0.5),
        box_scores=np.ones(N),
        boxes=np.tile([0.0, 0.0, 100.0, 60.0], (N, 1)),
        keypoints_true=true,
        labelled=np.broadcast_to(labelled, (N, K)),
        areas=np.full(N, AREA),
        pixel_sizes=np.broadcast_to(pixel_sizes, N),
    )


def people_of(predictions: Predictions) -> tuple[TruePeople, DetectedPeople]:
    N = len(predictions.labelled)
    nobody = np.zeros(N, dtype=bool)
    truth = TruePeople(
        image_ids=predictions.image_ids,
        images=np.arange(N),
        keypoints=predictions.keypoints_true,
        labelled=predictions.labelled,
        boxes=predictions.boxes,
        areas=predictions.areas,
        crowd=nobody,
        ignored=~np.asarray(predictions.labelled.any(axis=1)),
    )
    return truth, DetectedPeople(np.arange(N), predictions.keypoints, np.linspace(1, 0.5, N), predictions.areas)


def only(triples: list[float], k: int) -> list[float]:
    """One keypoint of COCO's flat list."""
    return triples[3 * k : 3 * k + 3]


@pytest.mark.parametrize("K", [17, 26])
def test_average_precision_equals_pycocotools_on_files_of_one_keypoint(reference: Path, K: int) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    samples, sigmas = stored["samples"], stored["sigmas"]
    document = json.loads((reference / f"synth_metric_gt{K}.json").read_text())
    names = tuple(f"keypoint_{k}" for k in range(K))
    skeleton = Skeleton("numbered", names, (), tuple(sigmas), "stored", (1.0,) * K, (), ())
    detections = [
        {
            "image_id": image_id,
            "category_id": 1,
            "keypoints": np.column_stack((points, np.ones(K))).ravel().tolist(),
            "score": score,
            "bbox": [left, top, right - left, bottom - top],
        }
        for image_id, points, score, (left, top, right, bottom) in zip(
            samples["img_id"], samples["keypoints"], samples["bbox_scores"], samples["bboxes"], strict=True
        )
    ]
    truth = TruePeople.from_coco(document, K)
    detected = DetectedPeople.from_coco(detections, truth.image_ids, K)
    nobody = predictions_of(np.zeros((0, K, 2)), np.zeros((0, K, 2)))
    found = figures_per_keypoint(skeleton, truth, detected, nobody)
    for k in (0, 5, 12, K - 1):
        alone = [{**a, "keypoints": only(a["keypoints"], k)} for a in document["annotations"]]
        for annotation in alone:
            annotation["num_keypoints"] = int(annotation["keypoints"][2] > 0)
        results = [{**d, "keypoints": only(d["keypoints"], k)} for d in detections]
        expected = coco_keypoint_figures(document | {"annotations": alone}, results, [sigmas[k]], "pycocotools")[0]
        assert 0.1 < expected < 0.9
        assert found[k].average_precision == pytest.approx(expected, abs=1e-9)
        assert found[k].labelled == sum(a["num_keypoints"] for a in alone if not a["iscrowd"])


def test_figures_by_hand() -> None:
    true = np.tile([[50.0, 50.0], [40.0, 40.0], [60.0, 40.0]], (4, 1, 1))
    offsets = np.zeros((4, 3, 2))
    offsets[:, 0, 0] = [3, 9, 10, 40]  # of the nose; the box's larger side is 100
    offsets[:, 1, 1] = [6, 2, 50, 50]  # of the left eye, labelled in two people
    labelled = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)
    predictions = predictions_of(true + offsets, true, labelled, pixel_sizes=[1, 2, 2, 2])
    nose, left, right = figures_per_keypoint(SKELETON, *people_of(predictions), predictions)
    assert [each.name for each in (nose, left, right)] == list(SKELETON.keypoints)
    assert [each.labelled for each in (nose, left, right)] == [4, 2, 0]
    assert (nose.pck, left.pck, right.pck) == (0.5, 1.0, -1.0)  # 10 pixels are not below a tenth of 100
    assert nose.median_error_input == pytest.approx((4.5 + 5) / 2)  # of 3, 4.5, 5 and 20
    assert left.median_error_input == pytest.approx((6 + 1) / 2)
    assert right[2:] == (-1, -1, -1, -1)
    assert nose.swapped == -1  # it has no partner
    assert left.swapped == -1  # its partner is labelled in nobody
    similarities = np.exp(-(np.array([3.0, 9, 10, 40]) ** 2) / (2 * AREA * 0.2**2))
    found = [int(sum(similarities >= threshold)) for threshold in np.linspace(0.5, 0.95, 10)]  # the best ones first
    expected = np.mean([(25 * count + 1) / 101 if count else 0 for count in found])  # recalls 0, 0.01, … count / 4
    assert nose.average_precision == pytest.approx(expected, abs=1e-9)


def test_swapped_is_near_the_partner_and_not_near_itself() -> None:
    left, right, far = [20.0, 40.0], [80.0, 40.0], [20.0, 400.0]
    nose = [50.0, 50.0]
    placed = [
        [nose, left, right],
        [nose, right, left],  # both swapped
        [nose, right, right],  # both at the right eye
        [nose, far, right],  # the left eye is lost, not swapped
        [nose, [80.0 + 0.99 * NEAR_HALF, 40.0], right],
        [nose, [80.0 + 1.01 * NEAR_HALF, 40.0], right],
    ]
    true = np.tile([nose, left, right], (6, 1, 1))
    shares = swapped_shares(SKELETON, predictions_of(placed, true))
    assert shares.tolist() == pytest.approx([-1, 3 / 6, 1 / 6])


def test_eyes_that_are_near_each_other_are_not_swapped() -> None:
    close = [[50.0, 50.0], [40.0, 40.0], [40.0 + NEAR_HALF / 2, 40.0]]
    exchanged = [close[0], close[2], close[1]]
    assert swapped_shares(SKELETON, predictions_of([exchanged], [close])).tolist() == [-1, 0, 0]


def test_people_with_one_of_two_labelled_do_not_count_as_swapped() -> None:
    true = np.tile([[50.0, 50.0], [20.0, 40.0], [80.0, 40.0]], (3, 1, 1))
    labelled = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1]], dtype=bool)
    swapped = swapped_shares(SKELETON, predictions_of(true[:, [0, 2, 1]], true, labelled))
    assert swapped.tolist() == [-1, 1, 1]


def test_a_detectors_boxes_have_average_precision_alone() -> None:
    true = np.tile([[50.0, 50.0], [20.0, 40.0], [80.0, 40.0]], (2, 1, 1))
    truth, detected = people_of(predictions_of(true, true))
    unlabelled = predictions_of(true, np.zeros_like(true), labelled=False)
    for figures in figures_per_keypoint(SKELETON, truth, detected, unlabelled):
        assert figures.labelled == 2
        assert figures[2:] == (1, -1, -1, -1)


def test_a_lost_keypoint_is_infinitely_far() -> None:
    true = np.tile([[50.0, 50.0], [20.0, 40.0], [80.0, 40.0]], (2, 1, 1))
    found = true.copy()
    found[:, 1] = np.nan
    predictions = predictions_of(found, true)
    truth, _ = people_of(predictions)
    nobody = DetectedPeople(np.zeros(0, dtype=np.int64), np.zeros((0, 3, 2)), np.zeros(0), np.zeros(0))
    figures = figures_per_keypoint(SKELETON, truth, nobody, predictions)[1]
    assert figures[2:] == (0, 0, np.inf, 0)
