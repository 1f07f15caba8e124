import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.evaluation.oks import BoolArray, FloatArray, oks, person_oks
from elifpose.structures import get_skeleton

SIGMAS = np.asarray(get_skeleton("halpe26").sigmas)
K = len(SIGMAS)


def similarity(offset: tuple[float, float], area: float, sigma: float) -> float:
    """OKS of a person with one keypoint, detected this far away."""
    detected = np.asarray(offset).reshape(1, 1, 2)
    one = np.ones((1, 1), dtype=bool)
    return float(oks(detected, np.zeros((1, 1, 2)), one, np.array([area]), np.zeros((1, 4)), np.array([sigma]))[0, 0])


def test_one_keypoint_equals_the_closed_form() -> None:
    assert similarity((0, 0), 900, 0.1) == 1
    assert similarity((3, 4), 900, 0.1) == pytest.approx(np.exp(-25 / (2 * 900 * 0.2**2)))
    # one standard deviation away, k·√area = 2 · 0.1 · 30 = 6 pixels
    assert similarity((6, 0), 900, 0.1) == pytest.approx(np.exp(-0.5))


def test_only_labelled_keypoints_count() -> None:
    true = np.zeros((1, 3, 2))
    detected = np.array([[[0, 0], [1e5, 0], [1e5, 0]]], dtype=np.float64)
    labelled = np.array([[True, False, True]])
    areas, boxes = np.array([400.0]), np.array([[0, 0, 20, 20]])
    assert oks(detected, true, labelled, areas, boxes, SIGMAS[:3])[0, 0] == 0.5


def test_a_person_without_labels_is_compared_by_his_enlarged_box() -> None:
    boxes, areas, unlabelled = np.array([[100.0, 100, 10, 20]]), np.array([50.0]), np.zeros((1, 2), dtype=bool)
    inside = np.array([[[90.0, 80.0], [120.0, 140.0]]])  # corners of the box that is three times as large
    outside = inside + np.array([[-3.0, -4.0], [3.0, 4.0]])
    sigmas = np.array([0.1, 0.2])
    found = oks(np.concatenate((inside, outside)), np.zeros((1, 2, 2)), unlabelled, areas, boxes, sigmas)
    expected = np.exp(-25 / (2 * 50 * (2 * sigmas) ** 2)).mean()
    np.testing.assert_allclose(found, [[1], [expected]], rtol=1e-12)


@pytest.mark.parametrize("coordinate", [np.nan, np.inf])
def test_a_coordinate_that_is_not_finite_gives_its_keypoint_nothing(coordinate: float) -> None:
    detected = np.array([[[0, 0], [coordinate, 0]]], dtype=np.float64)
    labelled = np.ones((1, 2), dtype=bool)
    areas, boxes = np.array([9.0]), np.array([[0, 0, 3, 3]])
    assert oks(detected, np.zeros((1, 2, 2)), labelled, areas, boxes, SIGMAS[:2])[0, 0] == 0.5


def random_people(
    images: int, detections: int, people: int
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(5)
    true = rng.uniform(0, 300, (images, people, K, 2))
    labelled = rng.random((images, people, K)) < 0.6
    labelled[:, 0] = False
    detected = rng.uniform(-200, 600, (images, detections, K, 2))
    detected[:, :people] = true[:, :detections] + rng.normal(0, 9, (images, people, K, 2))
    boxes = np.concatenate((rng.uniform(0, 200, (images, people, 2)), rng.uniform(1, 200, (images, people, 2))), -1)
    return detected, true, labelled, boxes[..., 2] * boxes[..., 3] * 0.5, boxes


def by_pycocotools(
    detected: FloatArray, true: FloatArray, labelled: BoolArray, area: FloatArray, box: FloatArray
) -> FloatArray:
    """OKS ``(D, G)`` of one image."""
    truth, results = COCO(), COCO()
    base = {"images": [{"id": 1}], "categories": [{"id": 1}]}
    shared = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    people = [
        {
            "id": i + 1,
            "keypoints": np.column_stack((true[i], labelled[i])).ravel().tolist(),
            "num_keypoints": int(labelled[i].sum()),
            "bbox": box[i].tolist(),
            "area": float(area[i]),
        }
        for i in range(len(true))
    ]
    found = [
        {"id": i + 1, "score": -i, "area": 1.0, "keypoints": np.column_stack((points, np.ones(K))).ravel().tolist()}
        for i, points in enumerate(detected)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for coco, rows in ((truth, people), (results, found)):
            coco.dataset = {**base, "annotations": [shared | row for row in rows]}
            coco.createIndex()
        evaluator = COCOeval(truth, results, "keypoints")
        evaluator.params.kpt_oks_sigmas = SIGMAS
        evaluator.evaluate()
    return np.asarray(evaluator.ious[1, 1], dtype=np.float64)


def test_batches_equal_pycocotools() -> None:
    detected, true, labelled, areas, boxes = random_people(images=4, detections=7, people=5)
    similarities = oks(detected, true, labelled, areas, boxes, SIGMAS)
    assert similarities.shape == (4, 7, 5)
    expected = np.stack([by_pycocotools(detected[i], true[i], labelled[i], areas[i], boxes[i]) for i in range(4)])
    assert 0.1 < expected[:, :, 1:].max() < 1  # of people with labels
    np.testing.assert_allclose(similarities, expected, rtol=1e-12, atol=1e-300)


def test_each_with_its_own_person_is_the_diagonal_of_all_with_all() -> None:
    detected, true, labelled, areas, boxes = random_people(images=1, detections=6, people=6)
    everyone = oks(detected, true, labelled, areas, boxes, SIGMAS)[0]
    own = person_oks(detected[0], true[0], labelled[0], areas[0], SIGMAS)
    assert own.dtype == np.float64
    assert np.isnan(own[0])  # nothing is labelled
    assert 0.05 < own[1:].min() < own[1:].max() < 1
    np.testing.assert_allclose(own[1:], np.diagonal(everyone)[1:], rtol=1e-12)


@pytest.mark.parametrize("coordinate", [np.nan, np.inf])
def test_a_coordinate_of_ones_own_person_that_is_not_finite_gives_nothing(coordinate: float) -> None:
    detected = np.array([[[0, 0], [coordinate, 0]]], dtype=np.float64)
    labelled = np.ones((1, 2), dtype=bool)
    assert person_oks(detected, np.zeros((1, 2, 2)), labelled, np.array([9.0]), SIGMAS[:2]).tolist() == [0.5]
