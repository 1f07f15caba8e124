"""MPII Human Pose, the publisher's ``.mat`` file and the JSON made of it, as a COCO-style document.

MPII gives no box but a person's centre and scale, the height over 200 pixels. The box is the square of that height;
its centre lies 15/200 of the height below the annotated one, so that the legs are inside: the convention of the
field's benchmarks, and MMPose's. Like everybody's box it is cut to the image when the person is cropped, where MMPose
leaves it beyond the border; the area is 0.53 of the whole square's, as there.

MPII counts pixels from 1, and its JSON keeps that. Here everything becomes counted from 0. MMPose 1.3.2 subtracts the
1 from centres but not from keypoints, which therefore lie one pixel to the right of and below these.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elifpose.datasets.layouts.errors import refused
from elifpose.datasets.layouts.matlab import read_mat, structures
from elifpose.datasets.records import Record
from elifpose.utils.geometry import AREA_OF_BOX

_JOINTS = 16
_HEIGHT = 200
_BELOW = 15

_Joint = tuple[float, float, int]
"""x and y as the publisher counts them, and COCO's visibility."""


def from_mpii_json(people: Sequence[Any], source: Path) -> Record:
    """Turn the JSON list of ``image``, ``center``, ``scale``, ``joints``, ``joints_vis`` into a COCO-style document.

    A person's id is the position in the file, counted from 0; an image's is the number that its file is named by.
    Joints are labelled or not: the file does not say which are hidden.

    Args:
        people: The list.
        source: The file, for errors.

    Raises:
        ElifPoseError: If an entry is not of this layout.
    """
    images: dict[str, Record] = {}
    records = []
    for position, person in enumerate(people):
        with refused(source, f"person number {position}", "MPII's converted JSON"):
            joints, labelled = person["joints"], person["joints_vis"]
            stated = [(x, y, 2 if seen else 0) for (x, y), seen in zip(joints, labelled, strict=True)]
            image = _image(images, person["image"])
            records.append(_person(position, image, person["center"], person["scale"], stated))
    return {"images": list(images.values()), "annotations": records}


def from_mpii_mat(content: bytes, source: Path) -> Record:
    """Turn ``mpii_human_pose_v1_u12_1.mat`` into a COCO-style document.

    Its training images (those of the test are not annotated) with everybody in them, those without joints included.
    Joints are visible, hidden or not listed. Ids as in `from_mpii_json`, but the file holds training and validation
    together and in another order than the JSON files.

    Args:
        content: The file's bytes.
        source: Its name, for errors.

    Raises:
        ElifPoseError: If it is not MPII's file, or scipy is not installed.
    """
    images: dict[str, Record] = {}
    records: list[Record] = []
    layout = "MPII's structure RELEASE"
    with refused(source, "RELEASE", layout):
        release = read_mat(content, source)["RELEASE"]
        entries = list(zip(structures(release["annolist"]), np.atleast_1d(release["img_train"]), strict=True))
    for position, (entry, training) in enumerate(entries):
        with refused(source, f"annolist({position + 1})", layout):
            for person in structures(entry["annorect"]) if training else ():
                where = structures(person.get("objpos"))
                center = (where[0]["x"], where[0]["y"]) if where else None
                scale = float(person["scale"]) if np.size(person.get("scale", ())) else None
                image = _image(images, entry["image"]["name"])
                records.append(_person(len(records), image, center, scale, _joints(person)))
    return {"images": list(images.values()), "annotations": records}


def _joints(person: Record) -> list[_Joint]:
    """The joints of a ``annorect``; the two of the head say nothing of visibility and are visible."""
    joints: list[_Joint] = [(0.0, 0.0, 0)] * _JOINTS
    for points in structures(person.get("annopoints")):
        for point in structures(points["point"]):
            stated = point.get("is_visible", ())
            hidden = np.size(stated) == 1 and float(stated) == 0
            joints[int(point["id"])] = (float(point["x"]), float(point["y"]), 1 if hidden else 2)
    return joints


def _image(images: dict[str, Record], name: str) -> int:
    """The id of an image, which is listed where it was not yet."""
    if name not in images:
        images[name] = {"id": int(Path(name).stem), "file_name": name}
    return int(images[name]["id"])


def _person(
    position: int, image: int, center: Sequence[float] | None, scale: float | None, joints: Iterable[_Joint]
) -> Record:
    """A COCO-style annotation; from here on pixels are counted from 0."""
    box = area = None
    if center is not None and scale is not None and center[0] != -1:
        side = _HEIGHT * scale
        x, y = center[0] - 1, center[1] + _BELOW * scale - 1
        box, area = [x - side / 2, y - side / 2, side, side], AREA_OF_BOX * side * side
    points = [value for x, y, seen in joints for value in ((x - 1, y - 1, seen) if seen else (0, 0, 0))]
    return {"id": position, "image_id": image, "bbox": box, "area": area, "keypoints": points}
