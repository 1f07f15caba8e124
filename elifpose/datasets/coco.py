"""COCO-style JSON to packed arrays.

One layout, with three ways of storing keypoints: COCO's ``keypoints`` (K × 3 numbers), COCO-WholeBody's body in
``keypoints`` with the feet in ``foot_kpts``, and Halpe-FullBody's 136 points, of which the first 26 are the body's.
"""

import os
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations, load_annotations
from elifpose.datasets.records import (
    FloatArray,
    Record,
    check_objects,
    integers,
    number_lists,
    numbers,
    positions,
    read_json,
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


def load_coco(path: str | Path, skeleton: Skeleton) -> Annotations:
    """Read a COCO-style annotation file, by way of the cache.

    A file without ``annotations``, as a test set's ``image_info`` is, lists images in which nobody is annotated.

    Args:
        path: The JSON file.
        skeleton: What it is annotated with.

    Raises:
        ElifPoseError: If the file is missing, not JSON or not COCO-style, if an image lacks its size, or if a person
            has another number of keypoints than the skeleton.
    """
    return load_annotations(path, skeleton, parse_coco)


def parse_coco(content: bytes, source: Path, skeleton: Skeleton) -> Annotations:
    """Pack the content of a COCO-style file.

    Args:
        content: The JSON text.
        source: The file's name, for errors.
        skeleton: What it is annotated with.

    Raises:
        ElifPoseError: As `load_coco`.
    """
    document = read_json(content, source)
    content_of = document if isinstance(document, dict) else {}
    images, annotated = content_of.get("images"), content_of.get("annotations", [])
    if not isinstance(images, list) or not isinstance(annotated, list):
        raise ElifPoseError(
            f"{source} is not a COCO-style file: it needs a list of 'images', and one of 'annotations' if anybody is"
            " annotated"
        )
    check_objects(source, "image", images)
    check_objects(source, "annotation", annotated)
    person = _person_category(document)
    people = [record for record in annotated if person is None or record.get("category_id", person) == person]
    names = [_file_name(source, record) for record in images]
    sizes = [integers(source, "image", images, key) for key in ("width", "height")]
    image_ids = integers(source, "image", images, "id")
    boxes = number_lists(source, "annotation", people, "bbox", (4,), np.nan)
    boxes[~(np.abs(boxes) <= LARGEST_COORDINATE).all(axis=1)] = np.nan
    areas = numbers(source, "annotation", people, "area", np.nan)
    points, unusable = _points(source, people, skeleton)
    return Annotations(
        image_ids=image_ids,
        image_sizes=np.clip(np.stack(sizes, axis=-1), 0, np.iinfo(np.int32).max).astype(np.int32),
        file_name_bytes=np.frombuffer(b"".join(names), np.uint8),
        file_name_offsets=np.array([0, *accumulate(map(len, names))], np.int64),
        ids=integers(source, "annotation", people, "id"),
        image_indices=positions(image_ids, integers(source, "annotation", people, "image_id")),
        boxes=boxes,
        areas=np.where(np.isfinite(areas), areas, AREA_OF_BOX * boxes[:, 2] * boxes[:, 3]),
        crowd=np.array([bool(record.get("iscrowd")) for record in people], np.bool_),
        num_keypoints=np.clip(integers(source, "annotation", people, "num_keypoints", -1), -1, 9999).astype(np.int32),
        keypoints=np.ascontiguousarray(points[..., :2]),
        visibility=np.clip(np.ceil(points[..., 2]), 0, 2).astype(np.uint8),
        unusable=unusable,
        others=np.array([len(annotated) - len(people)], np.int64),
    )


def _person_category(document: Record) -> object:
    """The id of the category of people; None if everyone annotated is one."""
    categories = [c for c in document.get("categories") or () if isinstance(c, dict)]
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
    name = record.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise ElifPoseError(f"{source}: image with id {record.get('id')}: 'file_name' must be a name, not {name!r}")
    try:
        return os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ElifPoseError(f"{source}: image with id {record.get('id')}: no file is named {name!r}") from error
