"""A rendered picture's annotation as COCO's JSON has it."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from elifpose.datasets.synthetic.scene import Person
from elifpose.structures.skeletons import HALPE26

GENERATOR = "elifpose.datasets.synthetic"
GENERATOR_VERSION = 1
"""Goes up whenever the same seed gives other pictures."""

JsonObject = dict[str, Any]


class Settings(NamedTuple):
    """What a data set follows from."""

    split: str
    people: int
    """At least so many are annotated."""
    seed: int
    image_size: tuple[int, int]
    """Width and height, pixels."""

    def as_json(self) -> JsonObject:
        """The settings with the generator's version, as they stand in the annotation file."""
        return {**self._asdict(), "image_size": list(self.image_size), "version": GENERATOR_VERSION}

    def digest(self) -> str:
        """SHA-256 of `as_json`, hexadecimal."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def image_name(image_id: int) -> str:
    """File name of an image, as COCO pads it."""
    return f"{image_id:012d}.jpg"


def image_entry(image_id: int, image_size: tuple[int, int]) -> JsonObject:
    """An item of ``images``."""
    return {"id": image_id, "file_name": image_name(image_id), "width": image_size[0], "height": image_size[1]}


def annotation_entry(person: Person, image_id: int) -> JsonObject:
    """An item of ``annotations``, still without its id.

    As COCO has it, a keypoint that is not labelled (v = 0) has the coordinates 0, 0; the others are rounded to a
    thousandth of a pixel.
    """
    labelled = person.visibility > 0
    points = np.round(np.where(labelled[:, None], person.keypoints, 0.0), 3)
    triples = zip(points.tolist(), person.visibility.tolist(), strict=True)
    return {
        "image_id": image_id,
        "category_id": 1,
        "keypoints": [value for (x, y), visibility in triples for value in (x, y, visibility)],
        "num_keypoints": int(np.count_nonzero(labelled)),
        "bbox": list(person.box),
        "area": person.area,
        "iscrowd": 0,
    }


def annotation_file(settings: Settings, images: list[JsonObject], annotations: list[JsonObject]) -> JsonObject:
    """The whole annotation file; annotations get ids from 1."""
    return {
        "info": {
            "description": "Rendered people with exact keypoints",
            "generator": GENERATOR,
            "version": str(GENERATOR_VERSION),
            "settings": settings.as_json(),
            "settings_sha256": settings.digest(),
            "conventions": "area: number of visible pixels; bbox: tight around them; keypoint flags: 2 visible, "
            "1 hidden, 0 outside the image; pixel centres are integers",
        },
        "licenses": [],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(HALPE26.keypoints),
                "skeleton": [[start + 1, end + 1] for start, end in HALPE26.link_indices],
            }
        ],
        "images": images,
        "annotations": [{"id": number, **annotation} for number, annotation in enumerate(annotations, 1)],
    }
