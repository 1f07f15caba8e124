"""Each mask against cases that are told by eye; an image of 100 x 80 throughout."""

import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.checks import clip_boxes
from elifpose.datasets.verification import masks
from elifpose.datasets.verification.masks import FloatArray

SIZE = np.array([100, 80], np.int32)


def sizes_of(values: FloatArray) -> npt.NDArray[np.int32]:
    return np.tile(SIZE, (len(values), 1))


@pytest.mark.parametrize(
    ("box", "not_finite", "without_size", "off_image", "overhanging"),
    [
        ((10, 10, 20, 20), False, False, False, False),
        ((0, 0, 100, 80), False, False, False, False),
        ((-2, -2, 104, 84), False, False, False, False),  # annotators' rounding
        ((-2.5, 0, 50, 50), False, False, False, True),
        ((60, 10, 43, 20), False, False, False, True),
        ((10, 10, 0, 20), False, True, False, False),
        ((10, 10, 20, -3), False, True, False, False),
        ((100, 10, 20, 20), False, False, True, True),
        ((99, 10, 1, 20), False, False, True, False),
        ((10, -30, 20, 30), False, False, True, True),
        ((np.nan, 10, 20, 20), True, False, False, False),
        ((10, 10, np.inf, 20), True, False, False, True),
    ],
)
def test_boxes(
    box: tuple[float, ...], not_finite: bool, without_size: bool, off_image: bool, overhanging: bool
) -> None:
    boxes = np.array([box])
    assert masks.not_finite(boxes).tolist() == [not_finite]
    assert masks.without_size(boxes).tolist() == [without_size]
    assert masks.off_image(boxes, sizes_of(boxes)).tolist() == [off_image]
    assert masks.overhanging(boxes, sizes_of(boxes)).tolist() == [overhanging]


def test_a_box_is_off_the_image_where_nothing_of_it_is_left_to_crop() -> None:
    rng = np.random.default_rng(0)
    boxes = np.concatenate((rng.integers(-60, 140, (500, 2)), rng.integers(1, 80, (500, 2))), axis=1).astype(float)
    left = (clip_boxes(boxes, sizes_of(boxes))[:, 2:] > 0).all(axis=1)
    assert 50 < left.sum() < 450
    np.testing.assert_array_equal(masks.off_image(boxes, sizes_of(boxes)), ~left)


def test_keypoints_beyond_the_image_by_more_than_rounding() -> None:
    keypoints = np.array([[[0, 0], [99, 79], [101, 40], [101.5, 40], [50, -3], [-50, -50]]], np.float64)
    labelled = np.array([[True, True, True, True, True, False]])
    found = masks.keypoints_off_image(keypoints, labelled, sizes_of(keypoints))
    assert found.tolist() == [[False, False, False, True, True, False]]


def test_keypoints_beyond_their_box_by_more_than_a_quarter_of_its_longer_side() -> None:
    keypoints = np.array([[[30, 30], [10, 30], [9, 30], [40, 80], [40, 81]]], np.float64)
    boxes = np.array([[20.0, 30, 20, 40]])  # a margin of 10
    found = masks.keypoints_off_box(keypoints, np.ones((1, 5), np.bool_), boxes)
    assert found.tolist() == [[False, False, True, False, True]]


def test_a_box_without_numbers_has_no_keypoint_outside() -> None:
    found = masks.keypoints_off_box(np.zeros((1, 3, 2)), np.ones((1, 3), np.bool_), np.full((1, 4), np.nan))
    assert not found.any()


def test_labelled_keypoints_at_the_origin() -> None:
    keypoints = np.array([[[0, 0], [0, 0], [0, 1], [1, 0]]], np.float64)
    labelled = np.array([[True, False, True, True]])
    assert masks.keypoints_at_origin(keypoints, labelled).tolist() == [[True, False, False, False]]


def test_the_most_visible_keypoints() -> None:
    visibility = np.array([[0, 1, 2], [0, 1, 1], [0, 0, 0]], np.uint8)
    expected = [[False, False, True], [False, True, True], [False, False, False]]
    assert masks.most_visible(visibility).tolist() == expected


def test_counts_of_everything_and_of_the_body_are_right() -> None:
    labelled = np.array([[True, True, True, False]] * 5)
    stated = np.array([3, 2, 1, 0, -1], np.int32)
    assert masks.counted_otherwise(stated, labelled, body=2).tolist() == [False, False, True, True, False]


def test_areas_larger_than_the_box() -> None:
    boxes = np.array([[0.0, 0, 10, 10]] * 3 + [[0, 0, 0, 10]])
    areas = np.array([50.0, 105, 106, 50])
    assert masks.larger_than_box(areas, boxes).tolist() == [False, False, True, False]


def test_repeated_values_and_rows() -> None:
    assert masks.repeated(np.array([3, 1, 3, 3, 2])).tolist() == [False, False, True, True, False]
    assert masks.repeated(np.array([[1, 2], [2, 1], [1, 2]])).tolist() == [False, False, True]


def test_the_same_person_is_one_of_the_same_image_box_and_keypoints() -> None:
    images = np.array([1, 1, 2, 1, 1, 1], np.int32)
    boxes = np.array([[1.0, 2, 3, 4]] * 6)
    boxes[3, 0] = 9
    keypoints, labelled = np.full((6, 2, 2), 5.0), np.ones((6, 2), np.bool_)
    labelled[:, 1] = False
    keypoints[1, 1] = 7  # where it is not labelled
    keypoints[4, 0] = 7
    labelled[5] = False
    found = masks.same_person(images, boxes, keypoints, labelled)
    assert found.tolist() == [False, True, False, False, False, False]


def test_nobody_is_no_error() -> None:
    nobody = masks.same_person(
        np.zeros(0, np.int32), np.zeros((0, 4)), np.zeros((0, 3, 2)), np.zeros((0, 3), np.bool_)
    )
    assert nobody.shape == (0,)
