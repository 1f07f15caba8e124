import json
from pathlib import Path

import numpy as np
import pytest
import torch

from elifpose.evaluation import KeypointErrors
from elifpose.evaluation.pck import (
    auc,
    box_sizes,
    keypoint_distances,
    mean_error,
    pair_distances,
    pck,
    pck_per_keypoint,
)


def to_xywh(
    boxes_xyxy: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.column_stack((boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]))


def test_functions_equal_the_stored_figures(shared: Path) -> None:
    stored = json.loads((shared / "reference/metric_pck_auc_epe_nme.json").read_text())
    predicted, true, mask, boxes = (
        np.asarray(stored[key], dtype=np.float64) for key in ("pred", "gt", "mask", "bbox")
    )
    labelled, expected = mask > 0, stored["results"]
    pixels = keypoint_distances(predicted, true, labelled)
    relative = keypoint_distances(predicted, true, labelled, box_sizes(to_xywh(boxes)))
    for threshold in (0.05, 0.1, 0.2):
        assert pck(relative, threshold) == pytest.approx(expected[f"PCK@{threshold}"], abs=1e-12)
    assert pck_per_keypoint(relative, 0.1) == pytest.approx(expected["PCK@0.1_per_kpt"], abs=1e-12)
    for limit, steps in ((30, 20), (50, 20), (30, 10)):
        assert auc(pixels, limit, steps) == pytest.approx(expected[f"AUC_{limit}_{steps}"], abs=1e-12)
    assert mean_error(pixels) == pytest.approx(expected["EPE"], rel=1e-6)  # the stored ones are float32
    assert mean_error(relative) == pytest.approx(expected["NME_boxmax"], rel=1e-6)
    shoulders = keypoint_distances(predicted, true, labelled, pair_distances(true, (5, 6)))
    assert mean_error(shoulders) == pytest.approx(expected["NME_shoulders5_6"], rel=1e-6)


@pytest.mark.parametrize("K", [17, 26])
def test_metric_equals_the_stored_figures(reference: Path, K: int) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    samples, expected = stored["samples"], stored["pck"]["results"]
    predicted = np.asarray(samples["keypoints"], dtype=np.float32)
    N = len(predicted)
    true = predicted + np.random.RandomState(9).standard_normal((N, K, 2)) * 8
    labelled = np.random.RandomState(10).rand(N, K) > 0.3
    labelled[:, 4] = False
    boxes = to_xywh(np.asarray(samples["bboxes"], dtype=np.float64))
    metric = KeypointErrors()
    arrays = (predicted, true, labelled, boxes, np.asarray(samples["img_id"]), np.asarray(samples["id"]))
    order = np.concatenate((np.arange(N)[::-1], np.arange(9)))  # backwards, nine people twice
    for batch in np.array_split(order, 4):
        metric.update(*(torch.from_numpy(values[batch]) for values in arrays))
    figures = metric.compute()
    assert list(figures) == ["PCK@0.05", "PCK@0.1", "PCK@0.2", "AUC", "EPE"]
    for name, figure in figures.items():
        assert figure.dtype == torch.float64
        assert float(figure) == pytest.approx(expected[name], rel=1e-6)
    distances = keypoint_distances(predicted.astype(np.float64), true, labelled, box_sizes(boxes))
    assert mean_error(distances) == pytest.approx(expected["NME_bbox"], rel=1e-6)


def test_a_distance_equal_to_the_threshold_is_not_correct() -> None:
    assert pck(np.array([[0.1], [0.0999]]), 0.1) == 0.5
    assert auc(np.zeros((1, 1)), steps=20) == pytest.approx(19 / 20)  # the threshold 0 takes nothing
    assert auc(np.full((1, 1), 15.0), limit=30, steps=20) == pytest.approx(9 / 20)


def test_keypoints_have_equal_say_in_pck_and_people_in_errors() -> None:
    distances = np.array([[0.0, 4.0], [0.0, np.nan], [0.0, np.nan]])
    assert pck_per_keypoint(distances, 1).tolist() == [1, 0]
    assert pck(distances, 1) == 0.5
    assert mean_error(distances) == 1.0


def test_what_does_not_count_is_left_out() -> None:
    predicted = np.array([[[3.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [np.nan, 0.0]]])
    labelled = np.array([[True, False], [True, True]])
    pixels = keypoint_distances(predicted, np.zeros((2, 2, 2)), labelled)
    np.testing.assert_array_equal(pixels, [[5, np.nan], [1, np.inf]])  # a lost keypoint is an error, not a gap
    relative = keypoint_distances(predicted, np.zeros((2, 2, 2)), labelled, np.array([10.0, 0.0]))
    np.testing.assert_array_equal(relative, [[0.5, np.nan], [np.nan, np.nan]])


def test_nothing_annotated_gives_minus_1() -> None:
    nothing = np.full((3, 2), np.nan)
    assert (pck(nothing, 0.1), auc(nothing), mean_error(nothing)) == (-1, -1, -1)
    assert pck_per_keypoint(nothing, 0.1).tolist() == [-1, -1]
    metric = KeypointErrors(thresholds=(0.1,))
    metric.update(*(torch.zeros(0, *shape) for shape in ((17, 2), (17, 2), (17,), (4,), (), ())))
    assert {name: float(value) for name, value in metric.compute().items()} == {"PCK@0.1": -1, "AUC": -1, "EPE": -1}


def test_sizes_of_people() -> None:
    assert box_sizes(np.array([[5.0, 5, 10, 30], [0, 0, 7, 2]])).tolist() == [30, 7]
    assert pair_distances(np.array([[[0.0, 0], [9, 9], [3, 4]]]), (0, 2)).tolist() == [5]


def test_thresholds_are_positive() -> None:
    with pytest.raises(ValueError, match="thresholds must be positive"):
        KeypointErrors(thresholds=(0.1, 0.0))
