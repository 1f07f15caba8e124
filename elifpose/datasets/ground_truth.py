"""What evaluation compares with, in the form that COCO's tools take."""

from typing import Any

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import distinct
from elifpose.structures import Skeleton


def coco_ground_truth(
    annotations: Annotations,
    skeleton: Skeleton,
    source: npt.NDArray[np.intp],
    target: npt.NDArray[np.intp],
    num_keypoints: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """All images and people of a set as a COCO dict, the keypoints mapped to another skeleton.

    Boxes and areas are as annotated, image pixels; a box that is no number is 0. Annotations of unknown images and
    those that repeat an id are left out.

    Args:
        annotations: The set.
        skeleton: Keypoints of the result.
        source: ``(M,)``, positions of the keypoints to take.
        target: ``(M,)``, where in ``skeleton`` they go; others have visibility 0.
        num_keypoints: ``(A,)``, what to write as each person's count; COCO's evaluation ignores those with 0.
    """
    rows = np.flatnonzero(distinct(annotations))
    points = np.zeros((len(rows), skeleton.num_keypoints, 3))
    points[:, target, :2] = annotations.keypoints[rows][:, source]
    points[:, target, 2] = annotations.visibility[rows][:, source]
    columns = {
        "id": annotations.ids[rows],
        "image_id": annotations.image_ids[annotations.image_indices[rows]],
        "bbox": np.nan_to_num(annotations.boxes[rows]),
        "area": np.nan_to_num(annotations.areas[rows]),
        "iscrowd": annotations.crowd[rows].astype(np.int64),
        "num_keypoints": num_keypoints[rows],
        "keypoints": points.reshape(len(rows), 3 * skeleton.num_keypoints),
        "category_id": np.ones(len(rows), np.int64),
    }
    people = zip(*(column.tolist() for column in columns.values()), strict=True)
    ids, sizes = annotations.image_ids.tolist(), annotations.image_sizes.tolist()
    images = zip(ids, sizes, annotations.file_names(), strict=True)
    links = [[start + 1, end + 1] for start, end in skeleton.link_indices]
    return {
        "images": [{"id": i, "width": w, "height": h, "file_name": name} for i, (w, h), name in images],
        "annotations": [dict(zip(columns, person, strict=True)) for person in people],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.keypoints), "skeleton": links}],
    }
