"""AI Challenger's own JSON, a list of images with the people of each, as a COCO-style document."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elifpose.datasets.layouts.errors import refused
from elifpose.datasets.records import Record

_VISIBILITY = {1: 2, 2: 1}
"""From the publisher's (1 visible, 2 hidden, 3 absent) to COCO's."""


def from_aic(entries: Sequence[Any], source: Path) -> Record:
    """Turn AI Challenger's list into a COCO-style document.

    Each entry has an ``image_id`` (the file's name without ``.jpg``), ``human_annotations`` (by person, the box's
    corners) and ``keypoint_annotations`` (by person, 14 times x, y and visibility). Images have no sizes, and people
    neither ids nor areas: ids are positions in the file, counted from 0, and areas are taken from the boxes. The
    converted JSON that MMPose shares has the same boxes and keypoints under ids of its own.

    Args:
        entries: The list.
        source: The file, for errors.

    Raises:
        ElifPoseError: If an entry is not of this layout.
    """
    images: list[Record] = []
    people: list[Record] = []
    for position, entry in enumerate(entries):
        with refused(source, f"entry number {position}", "AI Challenger's list of annotated images"):
            images.append({"id": position, "file_name": f"{entry['image_id']}.jpg"})
            for who, (left, top, right, bottom) in entry["human_annotations"].items():
                numbers = list(entry["keypoint_annotations"][who])
                numbers[2::3] = [_VISIBILITY.get(stated, 0) for stated in numbers[2::3]]
                box = [left, top, right - left, bottom - top]
                people.append({"id": len(people), "image_id": position, "bbox": box, "keypoints": numbers})
    return {"images": images, "annotations": people}
