"""What is wrong with a data set, found before training starts: errors for what stops it, findings for the rest."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import stored_size

Mask = npt.NDArray[np.bool_]
_EXAMPLES = 5
_HEADERS = 256


class Finding(NamedTuple):
    """Some annotations or images that are not used as they are."""

    what: str
    """Such as "boxes of zero size"."""
    number: int
    examples: tuple[str, ...]
    """The first few."""
    expected: bool = False
    """Whether an ordinary set has such, so that nobody needs to mend anything."""

    def __str__(self) -> str:
        more = ", …" if self.number > len(self.examples) else ""
        examples = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return f"{self.number} {self.what}{examples}"


class People(NamedTuple):
    """Who of a set can be shown to the network."""

    rows: npt.NDArray[np.int64]
    """``(S,)``, positions in the annotations, by image."""
    boxes: npt.NDArray[np.float64]
    """``(S, 4)``, left, top, width, height, cut to the image; image pixels."""
    findings: tuple[Finding, ...]
    """Who was left out, and why."""


def clip_boxes(boxes: npt.NDArray[np.float64], sizes: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Cut boxes to their images.

    Args:
        boxes: ``(N, 4)``, left, top, width, height; image pixels.
        sizes: ``(N, 2)``, width and height of each box's image.

    Returns:
        ``(N, 4)``; corners lie between the centres of the first and the last pixel, as in MMPose.
    """
    corner, other = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    last = np.maximum(sizes - 1, 0)
    low, high = (np.clip(point, 0, last) for point in (corner, other))
    return np.concatenate((low, high - low), axis=1)


def distinct(annotations: Annotations) -> Mask:
    """``(A,)``: whose image is known and whose id did not come before."""
    return _firsts(annotations.ids) & (annotations.image_indices >= 0)


def order_by_image(image_indices: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """``(N,)``: the stable order of ``(N,)`` positions of images; ten times faster than `numpy.argsort`."""
    keys = (image_indices.astype(np.int64) << 32) + np.arange(len(image_indices))
    return np.sort(keys) & 0xFFFFFFFF


def find_people(annotations: Annotations, labelled: Mask, num_keypoints: npt.NDArray[np.int64]) -> People:
    """Who is shown to the network: one person with labelled keypoints in a box of some size inside the image.

    Args:
        annotations: The set.
        labelled: ``(A, K)``, which keypoints are labelled.
        num_keypoints: ``(A,)``, how many keypoints each person has by the file's count.
    """
    boxes = annotations.boxes
    known = annotations.image_indices >= 0
    sizes = np.append(annotations.image_sizes, [[0, 0]], axis=0).astype(np.int32)  # the last is that of index -1
    clipped = clip_boxes(boxes, sizes[annotations.image_indices])
    people = ~annotations.crowd
    left = np.ones(len(annotations.ids), np.bool_)
    findings = []
    for what, wrong, expected in (
        ("annotations of an image that the file does not list", ~known, False),
        ("annotations with the id of an earlier one", known & ~distinct(annotations), False),
        ("crowds", annotations.crowd, True),
        ("people without labelled keypoints", ~labelled.any(axis=1) | (num_keypoints == 0), True),
        ("people without a box of finite numbers", people & ~np.isfinite(boxes).all(axis=1), False),
        ("people with a box of zero size", people & ((boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)), False),
        ("people with a box outside the image", people & ~((clipped[:, 2] > 0) & (clipped[:, 3] > 0)), False),
    ):
        findings += _finding(what, "annotation", annotations.ids[left & wrong], expected)
        left &= ~wrong
    rows = np.flatnonzero(left)
    rows = rows.take(order_by_image(annotations.image_indices[rows]))
    return People(rows, clipped.take(rows, axis=0), tuple(findings))  # eight times faster than clipped[rows]


def find_oddities(annotations: Annotations) -> tuple[Finding, ...]:
    """What is used all the same, but not as the file has it."""
    others = int(annotations.others[0])
    repeated = ~_firsts(annotations.image_ids)
    return (
        *_finding(
            "people with NaN or absurd keypoints, which count as not labelled",
            "annotation",
            annotations.ids[annotations.unusable],
        ),
        *_finding("images with the id of an earlier one, which is taken", "image", annotations.image_ids[repeated]),
        *([Finding("annotations of other categories than person", others, (), True)] if others else []),
    )


def missing_images(folder: Path, names: Sequence[str]) -> list[str]:
    """Which of the named files are not in a folder or its subfolders; one listing for each folder.

    Raises:
        ElifPoseError: If a folder must not be listed.
    """
    present = set(_list(folder))
    left = [name for name in names if name not in present]
    for parent in {name[: name.rfind("/") + 1] for name in left} - {""}:
        present.update(parent + name for name in _list(folder / parent))
    return [name for name in left if name not in present]


def _list(folder: Path) -> list[str]:
    """What is in a folder; nothing if it is absent."""
    try:
        return os.listdir(folder)  # noqa: PTH208  (names only, many thousands)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ElifPoseError(f"the image folder {folder} cannot be listed: {error.strerror}") from error


def check_images(set_name: str, folder: Path, names: Sequence[str]) -> None:
    """`ElifPoseError` if the folder or one of the named images is missing; lists the first few."""
    if not os.path.isdir(folder):  # noqa: PTH112  (Path.is_dir raises where a folder above must not be entered)
        raise ElifPoseError(f"data set {set_name!r}: there is no image folder {folder}; check 'images' and the root")
    if missing := missing_images(folder, names):
        examples = ", ".join(missing[:_EXAMPLES]) + (", …" if len(missing) > _EXAMPLES else "")
        raise ElifPoseError(
            f"data set {set_name!r}: {len(missing)} of {len(names)} annotated images are not in {folder} "
            f"({examples}); fetch them, or correct 'images'"
        )


def find_other_sizes(folder: Path, names: Sequence[str], sizes: npt.NDArray[np.int32]) -> tuple[Finding, ...]:
    """Images whose header tells another size than the annotations, among at most 256 spread evenly over the set.

    Args:
        folder: The folder of images.
        names: ``I`` file names.
        sizes: ``(I, 2)``, width and height as annotated. A picture that its EXIF orientation turns to that size fits.
    """
    looked_at = (
        np.unique(np.linspace(0, len(names) - 1, min(len(names), _HEADERS)).astype(int)).tolist() if names else []
    )
    other = []
    for position in looked_at:
        width, height = sizes[position].tolist()
        found = stored_size(folder / names[position])
        if found is not None and found not in ((width, height), (height, width)):
            other.append(f"{names[position]}: {found[0]} x {found[1]}, annotated {width} x {height}")
    what = f"of {len(looked_at)} images looked at have another size than the annotations say"
    return (Finding(what, len(other), tuple(other[:_EXAMPLES])),) if other else ()


def _firsts(ids: npt.NDArray[np.int64]) -> Mask:
    """``(N,)``: which numbers did not come before."""
    ordered = np.sort(ids)
    if (ordered[1:] != ordered[:-1]).all():  # as nearly always, and far faster to see
        return np.ones(len(ids), np.bool_)
    first = np.zeros(len(ids), np.bool_)
    first[np.unique(ids, return_index=True)[1]] = True
    return first


def _finding(what: str, kind: str, ids: npt.NDArray[np.int64], expected: bool = False) -> list[Finding]:
    examples = tuple(f"{kind} {one}" for one in ids[:_EXAMPLES].tolist())
    return [Finding(what, len(ids), examples, expected)] if len(ids) else []
