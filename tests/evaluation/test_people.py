from typing import Any

import numpy as np
import pytest

from elifpose.evaluation.people import DetectedPeople, TruePeople, boxes_or_extents, finite_keypoints
from elifpose.utils.errors import ElifPoseError

K = 2


def annotation(image_id: int = 1, **fields: Any) -> dict[str, Any]:
    return {"image_id": image_id, "keypoints": [1, 2, 2, 3, 4, 0], "bbox": [0, 1, 20, 10]} | fields


def true_people(*annotations: dict[str, Any], images: tuple[int, ...] = (1, 2)) -> TruePeople:
    return TruePeople.from_coco({"images": [{"id": each} for each in images], "annotations": annotations}, K)


def test_people_come_by_image_in_the_order_of_their_annotations() -> None:
    rows = [annotation(9, area=1), annotation(4, area=2), annotation(9, area=3), annotation(4, area=4)]
    people = true_people(*rows, images=(9, 4, 6, 9))
    assert people.image_ids.tolist() == [4, 6, 9]
    assert people.images.tolist() == [0, 0, 2, 2]
    assert people.areas.tolist() == [2, 4, 1, 3]


def test_keypoints_are_labelled_where_their_visibility_is_positive() -> None:
    people = true_people(annotation())
    assert people.keypoints.tolist() == [[[1, 2], [3, 4]]]
    assert people.labelled.tolist() == [[True, False]]
    assert people.keypoints.dtype == people.boxes.dtype == people.areas.dtype == np.float64


def test_a_missing_area_is_that_of_a_person_in_the_box() -> None:
    areas = true_people(annotation(), annotation(area=None), annotation(area=7)).areas
    np.testing.assert_allclose(areas, [106, 106, 7], rtol=1e-12)


@pytest.mark.parametrize(
    ("fields", "crowd", "ignored"),
    [
        ({}, False, False),
        ({"iscrowd": 1}, True, True),
        ({"iscrowd": 0, "num_keypoints": 1}, False, False),
        ({"num_keypoints": 0}, False, True),  # what is stated goes before what is labelled
        ({"keypoints": [0] * 6}, False, True),
        ({"keypoints": [0] * 6, "num_keypoints": 3}, False, False),
        ({"keypoints": None, "num_keypoints": 3}, False, True),
    ],
)
def test_crowds_and_people_without_keypoints_are_ignored(fields: dict[str, Any], crowd: bool, ignored: bool) -> None:
    people = true_people(annotation(**fields))
    assert (people.crowd.tolist(), people.ignored.tolist()) == ([crowd], [ignored])


def test_annotations_of_images_that_are_not_listed_are_left_out() -> None:
    assert true_people(annotation(3), annotation(2)).images.tolist() == [1]


def test_nobody_has_the_shapes_of_somebody() -> None:
    people = TruePeople.from_coco({"images": []}, K)
    found = DetectedPeople.from_coco([], people.image_ids, K)
    assert people.keypoints.shape == found.keypoints.shape == (0, K, 2)
    assert (people.labelled.shape, people.boxes.shape, people.ignored.shape) == ((0, K), (0, 4), (0,))
    assert (found.images.shape, found.scores.shape, found.areas.shape) == ((0,), (0,), (0,))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": [0] * 9}, "has 9 keypoint values, but 2 sigmas ask for 6"),
        ({"bbox": None}, "has no 'bbox' of four numbers"),
        ({"bbox": [1, 2, 3]}, "has no 'bbox' of four numbers"),
    ],
)
def test_the_annotation_that_does_not_fit_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=f"annotation 8 of image 2 {message}"):
        true_people(annotation(2, id=7), annotation(1, id=9), annotation(2, id=8, **fields))


def detected_people(*detections: dict[str, Any]) -> DetectedPeople:
    return DetectedPeople.from_coco(
        [{"image_id": 5, "score": 0.5} | each for each in detections], np.array([3, 5]), K
    )


def test_detections_keep_their_order() -> None:
    points = [1, 2, 0.5, 4, 6, 0.1]
    found = detected_people({"keypoints": points}, {"keypoints": points, "image_id": 3, "score": 0.7})
    assert found.images.tolist() == [1, 0]
    assert found.scores.tolist() == [0.5, 0.7]
    assert found.keypoints.tolist() == [[[1, 2], [4, 6]]] * 2


def test_the_area_of_a_detection_is_its_box_or_its_extent() -> None:
    points, nan = [1, 2, 0.5, 4, 6, 0.1], float("nan")
    found = detected_people(
        {"keypoints": points},
        {"keypoints": points, "bbox": [0, 0, 10, 10]},
        {"keypoints": points, "bbox": []},
        {"keypoints": [nan, 5, 1, 2, 2, 1]},
        {"keypoints": [nan] * 6},
    )
    assert found.areas.tolist() == [12, 100, 12, 0, 0]
    assert np.isfinite(found.keypoints).all()


@pytest.mark.parametrize(
    ("detection", "message"),
    [
        ({"keypoints": [0] * 5}, r"detection 2 \(image 5\) has 5 keypoint values"),
        ({"keypoints": [0] * 6, "bbox": [1, 2, 3]}, r"detection 2 \(image 5\) has no 'bbox' of four numbers"),
        ({"keypoints": [0] * 6, "image_id": 4}, r"detection 2 \(image 4\) is for an image that the ground truth"),
    ],
)
def test_the_detection_that_does_not_fit_is_named(detection: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        detected_people({"keypoints": [0] * 6}, detection)


def test_only_missing_boxes_are_put_around_keypoints() -> None:
    points = np.array([[[1.0, 2], [4, 6]], [[1, 2], [np.inf, 9]], [[0, 0], [0, 0]]])
    boxes = np.array([[np.nan] * 4, [np.nan] * 4, [1, 2, 3, 4]])
    assert boxes_or_extents(boxes, points).tolist() == [[1, 2, 3, 4], [1, 2, 0, 0], [1, 2, 3, 4]]
    assert np.isnan(boxes[0]).all()


@pytest.mark.parametrize("coordinate", [np.nan, np.inf, -np.inf])
def test_a_keypoint_with_a_coordinate_that_is_no_number_is_far_away(coordinate: float) -> None:
    points = np.array([[1.0, 2.0], [coordinate, 3.0]])
    moved = finite_keypoints(points)
    assert moved[0].tolist() == [1, 2]
    assert (moved[1] >= 1e6).all()
    assert not np.isfinite(points[1, 0])
