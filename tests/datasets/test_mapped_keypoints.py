import json
from pathlib import Path

import numpy as np
import pytest

from elifpose.datasets.coco import parse_coco
from elifpose.datasets.mapped_keypoints import MappedKeypoints
from elifpose.structures import Skeleton, get_skeleton
from elifpose.structures.skeletons import COCO17

PEOPLE = 5


def mapped(skeleton: Skeleton, counts: list[int | None]) -> tuple[MappedKeypoints, np.ndarray]:
    """Random people of COCO under the names of a skeleton, and their keypoints ``(5, 17, 3)`` as written."""
    rng = np.random.default_rng(1)
    points = rng.uniform(1, 59, (PEOPLE, 17, 3))
    points[..., 2] = rng.integers(0, 3, (PEOPLE, 17))
    people = [
        {
            "id": row,
            "image_id": 1,
            "category_id": 1,
            "bbox": [0, 0, 50, 50],
            "keypoints": points[row].flatten().tolist(),
            **({} if count is None else {"num_keypoints": count}),
        }
        for row, count in enumerate(counts)
    ]
    document = {"images": [{"id": 1, "file_name": "1.png", "width": 64, "height": 60}], "annotations": people}
    annotations = parse_coco(json.dumps(document).encode(), Path("a.json"), COCO17)
    return MappedKeypoints(annotations, COCO17, skeleton), points


@pytest.mark.parametrize("name", ["coco17", "halpe26"])
def test_a_keypoint_goes_to_the_one_of_its_name(name: str) -> None:
    skeleton = get_skeleton(name)
    keypoints, points = mapped(skeleton, [None] * PEOPLE)
    rows = np.array([3, 0, 3])
    found, labelled = keypoints.of_people(rows)
    visibility = keypoints.visibility(rows)
    assert found.shape == (3, skeleton.num_keypoints, 2)
    for place, keypoint in enumerate(skeleton.keypoints):
        expected = (
            points[rows][:, COCO17.keypoints.index(keypoint)] if keypoint in COCO17.keypoints else [[0] * 3] * 3
        )
        seen = np.reshape(expected, (3, 3))
        np.testing.assert_array_equal(visibility[:, place], seen[:, 2])
        np.testing.assert_array_equal(labelled[:, place], seen[:, 2] > 0)
        np.testing.assert_allclose(found[labelled[:, place], place], seen[labelled[:, place], :2])


def test_the_files_count_is_for_its_own_skeleton_alone() -> None:
    counts: list[int | None] = [9, None, 0, 17, None]
    own, points = mapped(COCO17, counts)
    counted = (points[..., 2] > 0).sum(axis=1)
    expected = [counted[row] if count is None else count for row, count in enumerate(counts)]
    np.testing.assert_array_equal(own.num_keypoints, expected)
    np.testing.assert_array_equal(mapped(get_skeleton("halpe26"), counts)[0].num_keypoints, counted)
