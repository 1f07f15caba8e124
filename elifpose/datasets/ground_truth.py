"""What evaluation compares with, in the form that COCO's tools take."""

from typing import Any

import numpy as np

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import distinct
from elifpose.datasets.mapped_keypoints import MappedKeypoints


def coco_ground_truth(annotations: Annotations, keypoints: MappedKeypoints) -> dict[str, Any]:
    """All images and people of a set as a COCO dict.

    Boxes and areas are as annotated, image pixels; a box that is no number is 0. Annotations of unknown images and
    those that repeat an id are left out. COCO's evaluation ignores people whose ``num_keypoints`` is 0.

    Args:
        annotations: The set.
        keypoints: Those of its people; names and links are their skeleton's.
    """
    rows = np.flatnonzero(distinct(annotations))
    skeleton = keypoints.skeleton
    places, _ = keypoints.of_people(rows)
    points = np.concatenate((places, keypoints.visibility(rows)[..., None]), axis=-1)
    columns = {
        "id": annotations.ids[rows],
        "image_id": annotations.image_ids[annotations.image_indices[rows]],
        "bbox": np.nan_to_num(annotations.boxes[rows]),
        "area": np.nan_to_num(annotations.areas[rows]),
        "iscrowd": annotations.crowd[rows].astype(np.int64),
        "num_keypoints": keypoints.num_keypoints[rows],
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
