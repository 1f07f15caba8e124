"""OCHuman's own ``ochuman.json``, people listed by image, as a COCO-style document."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elifpose.datasets.layouts.errors import refused
from elifpose.datasets.records import Record

_VISIBILITY = {1: 2, 2: 2, 3: 1}
"""From the publisher's (1 visible, 2 hidden by oneself, 3 by others) to COCO's, as the publisher converts it."""


def from_ochuman(document: Record, source: Path, keypoints: Sequence[str]) -> Record:
    """Turn OCHuman's document into a COCO-style one.

    It holds all 5081 images. Everybody has a box (corners), not everybody keypoints; those without are listed with
    none, while the publisher's COCO-style files (split into 2500 images for validation and 2231 for test) leave
    them out. The area is the box's, as in those files. Ids are positions in the file, counted from 0.

    Args:
        document: The content of the file.
        source: The file, for errors.
        keypoints: Names of the keypoints wanted, in order; the file's are found by name.

    Raises:
        ElifPoseError: If something is not of this layout, or a keypoint is not in the file.
    """
    layout = "OCHuman's own JSON"
    images: list[Record] = []
    people: list[Record] = []
    with refused(source, "keypoint_names", f"{layout}, read with COCO's 17 keypoints"):
        columns = [document["keypoint_names"].index(name) for name in keypoints]
    with refused(source, "images", layout):
        entries = list(document["images"])
    for position, entry in enumerate(entries):
        with refused(source, f"image number {position}", layout):
            images.append({**{key: entry[key] for key in ("file_name", "width", "height")}, "id": position})
            for person in entry["annotations"]:
                left, top, right, bottom = person["bbox"]
                width, height = right - left, bottom - top
                record = {"id": len(people), "image_id": position, "bbox": [left, top, width, height]}
                points = _points(person["keypoints"], columns)
                people.append({**record, "area": width * height, "keypoints": points})
    return {"images": images, "annotations": people}


def _points(numbers: Sequence[Any] | None, columns: Sequence[int]) -> list[Any] | None:
    if not numbers:
        return None
    points = [numbers[3 * column : 3 * column + 3] for column in columns]
    return [value for x, y, stated in points for value in (x, y, _VISIBILITY.get(stated, 0))]
