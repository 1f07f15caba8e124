import json
from pathlib import Path

import numpy as np
import pytest

from elifpose.evaluation.pck import (
    auc,
    box_sizes,
    keypoint_distances,
    mean_error,
    pair_sizes,
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
    shoulders = keypoint_distances(predicted, true, labelled, pair_sizes(true, np.ones_like(labelled), (5, 6)))
    assert mean_error(shoulders) == pytest.approx(expected["NME_shoulders5_6"], rel=1e-6)


@pytest.mark.parametrize("K", [17, 26])
def test_functions_equal_the_stored_figures_of_random_people(reference: Path, K: int) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    samples, expected = stored["samples"], stored["pck"]["results"]
    predicted = np.asarray(samples["keypoints"], dtype=np.float32).astype(np.float64)
    N = len(predicted)
    true = predicted + np.random.RandomState(9).standard_normal((N, K, 2)) * 8
    labelled = np.random.RandomState(10).rand(N, K) > 0.3
    labelled[:, 4] = False
    boxes = to_xywh(np.asarray(samples["bboxes"], dtype=np.float64))
    pixels = keypoint_distances(predicted, true, labelled)
    relative = keypoint_distances(predicted, true, labelled, box_sizes(boxes))
    figures = {f"PCK@{threshold}": pck(relative, threshold) for threshold in (0.05, 0.1, 0.2)}
    figures |= {"AUC": auc(pixels), "EPE": mean_error(pixels), "NME_bbox": mean_error(relative)}
    assert figures == pytest.approx({name: expected[name] for name in figures}, rel=1e-6)  # stored from float32


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


def test_sizes_of_people() -> None:
    assert box_sizes(np.array([[5.0, 5, 10, 30], [0, 0, 7, 2]])).tolist() == [30, 7]


def test_a_pair_that_is_not_labelled_gives_no_size() -> None:
    true = np.tile([[0.0, 0], [9, 9], [3, 4]], (3, 1, 1))
    labelled = np.array([[True, False, True], [True, True, False], [False, True, True]])
    sizes = pair_sizes(true, labelled, (0, 2))
    assert sizes.tolist() == [5, 0, 0]
    relative = keypoint_distances(true + 1.0, true, labelled, sizes)
    assert mean_error(relative) == pytest.approx(np.sqrt(2) / 5)  # of the first person alone
