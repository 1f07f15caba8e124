import numpy as np
import pytest

from elifpose.inference.boxes import box_around, enlarged, nested, overlaps, suppress_boxes

BOXES = np.array([[0.0, 0, 10, 20], [0, 0, 10, 10], [5, 0, 10, 20], [100, 0, 10, 20]])


def test_overlap_is_shared_area_over_joint_area() -> None:
    assert overlaps(BOXES[:1], BOXES)[0] == pytest.approx([1.0, 0.5, 1 / 3, 0.0])
    assert overlaps(BOXES, BOXES) == pytest.approx(overlaps(BOXES, BOXES).T)
    assert overlaps(BOXES[:0], BOXES).shape == (0, 4)


@pytest.mark.parametrize(("limit", "kept"), [(0.6, [3, 2, 1, 0]), (0.4, [3, 2, 1]), (0.1, [3, 2]), (0.0, [3, 2])])
def test_the_worse_of_two_that_overlap_is_left_out(limit: float, kept: list[int]) -> None:
    assert suppress_boxes(BOXES, np.array([0.1, 0.2, 0.3, 0.4]), limit) == kept


def test_half_a_box_lies_in_the_whole_one_and_a_neighbour_does_not() -> None:
    assert nested(BOXES).tolist() == [False, True, False, False]
    assert nested(BOXES[[0, 0]]).tolist() == [False, False]
    assert nested(BOXES[:0]).tolist() == []


def test_a_box_grows_about_its_middle() -> None:
    assert enlarged(BOXES[:1], 2.0).tolist() == [[-5.0, -10.0, 20.0, 40.0]]


def test_a_box_is_drawn_around_the_keypoints_that_are_seen() -> None:
    keypoints = np.array([[10.0, 20, 0.9], [30, 60, 0.9], [20, 40, 0.9], [500, 500, 0.1], [np.nan, np.nan, 0.9]])
    box = box_around(keypoints, 0.3)
    assert box is not None
    assert box == pytest.approx([20 - 11.5, 40 - 23, 23, 46])
    assert box_around(keypoints[1:], 0.3) is None
