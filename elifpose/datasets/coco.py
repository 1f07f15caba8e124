"""COCO-style JSON to packed arrays.

One layout, with three ways of storing keypoints: COCO's ``keypoints`` (K × 3 numbers), COCO-WholeBody's body in
``keypoints`` with the feet in ``foot_kpts``, and Halpe-FullBody's 136 points, of which the first 26 are the body's.
"""

import os
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import clip_boxes
from elifpose.datasets.records import (
    FloatArray,
    Record,
    check_objects,
    integers,
    number_lists,
    numbers,
    positions,
    read_json,
    short,
)
from elifpose.structures import Skeleton
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import AREA_OF_BOX

LARGEST_COORDINATE = 1e6
"""Image pixels; a keypoint beyond is a mistake and counts as not labelled, a box beyond as missing."""


class _Field(NamedTuple):
    """Where some of a person's keypoints stand."""

    key: str
    counts: tuple[int, ...]
    """How many points the field may hold; the first ``min(counts)`` are the skeleton's."""


def _fields(skeleton: Skeleton) -> tuple[_Field, ...]:
    if skeleton.name == "coco_wholebody":
        return _Field("keypoints", (17,)), _Field("foot_kpts", (6,))
    if skeleton.name == "halpe26":
        return (_Field("keypoints", (26, 136)),)
    return (_Field("keypoints", (skeleton.num_keypoints,)),)


def parse_coco(content: bytes, source: Path, skeleton: Skeleton) -> Annotations:
    """Pack the content of a COCO-style file.

    A file without ``annotations``, as a test set's ``image_info`` is, lists images in which nobody is annotated.

    Args:
        content: The JSON text.
        source: The file's name, for errors.
        skeleton: What it is annotated with.

    Raises:
        ElifPoseError: If the file is not JSON or not COCO-style, if an image lacks its size, or if a person has
            another number of keypoints than the skeleton.
    """
    return pack_coco(read_json(content, source), source, skeleton)


def pack_coco(document: Any, source: Path, skeleton: Skeleton) -> Annotations:
    """Pack a COCO-style document, such as a file of another layout was turned into.

    Args:
        document: What the JSON text said.
        source: The file's name, for errors.
        skeleton: What it is annotated with.

    Raises:
        ElifPoseError: As `parse_coco`.
    """
    content_of = document if isinstance(document, dict) else {}
    images, annotated = content_of.get("images"), content_of.get("annotations", [])
    if not isinstance(images, list) or not isinstance(annotated, list):
        raise ElifPoseError(
            f"{source} is not a COCO-style file: it needs a list of 'images', and one of 'annotations' if anybody is"
            " annotated"
        )
    check_objects(source, "image", images)
    check_objects(source, "annotation", annotated)
    person = _person_category(source, document.get("categories") or [])
    people = [record for record in annotated if person is None or record.get("category_id", person) == person]
    names = [_file_name(source, record) for record in images]
    sizes = [integers(source, "image", images, key) for key in ("width", "height")]
    image_ids = integers(source, "image", images, "id")
    boxes = number_lists(source, "annotation", people, "bbox", (4,), np.nan)
    boxes[~(np.abs(boxes) <= LARGEST_COORDINATE).all(axis=1)] = np.nan
    areas = numbers(source, "annotation", people, "area", np.nan)
    image_sizes = np.clip(np.stack(sizes, axis=-1), 0, np.iinfo(np.int32).max).astype(np.int32)
    image_indices = positions(image_ids, integers(source, "annotation", people, "image_id"))
    points, unusable = _points(source, people, skeleton)
    return Annotations(
        image_ids=image_ids,
        image_sizes=image_sizes,
        file_name_bytes=np.frombuffer(b"".join(names), np.uint8),
        file_name_offsets=np.array([0, *accumulate(map(len, names))], np.int64),
        ids=integers(source, "annotation", people, "id"),
        image_indices=image_indices,
        boxes=boxes,
        areas=np.where(np.isfinite(areas), areas, _visible_areas(boxes, image_indices, image_sizes)),
        crowd=integers(source, "annotation", people, "iscrowd", 0) != 0,
        num_keypoints=np.clip(integers(source, "annotation", people, "num_keypoints", -1), -1, 9999).astype(np.int32),
        keypoints=np.ascontiguousarray(points[..., :2]),
        visibility=np.clip(np.ceil(points[..., 2]), 0, 2).astype(np.uint8),
        unusable=unusable,
        others=np.array([len(annotated) - len(people)], np.int64),
    )


def _visible_areas(
    boxes: FloatArray, image_indices: npt.NDArray[np.int32], sizes: npt.NDArray[np.int32]
) -> FloatArray:
    """``(A,)``: a share of the box that is common of people, cut to the image where that is listed, as in MMPose."""
    known = image_indices >= 0
    seen = boxes.copy()
    seen[known] = clip_boxes(boxes[known], sizes[image_indices[known]])
    return AREA_OF_BOX * seen[:, 2] * seen[:, 3]


def _person_category(source: Path, categories: object) -> object:
    """The id of the category of people; None if everyone annotated is one."""
    if not isinstance(categories, list):
        raise ElifPoseError(f"{source}: 'categories' must be a list, not {short(categories)}; mend the file")
    check_objects(source, "category", categories)
    named = [c.get("id") for c in categories if c.get("name") == "person"]
    return named[0] if named and len(categories) > 1 else None


def _points(source: Path, people: list[Record], skeleton: Skeleton) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """``(A, K, 3)``: x, y, visibility; and whose labelled keypoints were no usable numbers: those become 0, 0, 0."""
    remedy = f"skeleton {skeleton.name!r} does not fit this file: set the one that it is annotated with"
    parts = []
    for field in _fields(skeleton):
        sizes = [3 * count for count in field.counts]
        values = number_lists(source, "annotation", people, field.key, sizes, 0.0, remedy)
        parts.append(values.reshape(len(people), min(field.counts), 3))
    points = np.concatenate(parts, axis=1)
    bad = ~(np.abs(points) <= LARGEST_COORDINATE).all(axis=-1)
    unusable = np.flatnonzero((bad & ~(points[..., 2] <= 0)).any(axis=1))
    points[bad] = 0.0
    return points, unusable


def _file_name(source: Path, record: Record) -> bytes:
    name, image = record.get("file_name"), f"{source}: image with id {short(record.get('id'))}"
    if not isinstance(name, str) or not name or "\0" in name:
        raise ElifPoseError(f"{image}: 'file_name' must be a name, not {short(name)}")
    try:
        return os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ElifPoseError(f"{image}: no file is named {short(name)}") from error
