"""JHMDB, the publisher's ``.mat`` files of each clip, as a COCO-style document; and the JSON made of them.

JHMDB counts pixels from 1, and the JSON that MMPose shares keeps that. Here everything becomes counted from 0, as in
MMPose.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elifpose.datasets.layouts.errors import refused
from elifpose.datasets.layouts.matlab import read_mat
from elifpose.datasets.records import Record
from elifpose.utils.errors import ElifPoseError

_JOINTS = 15
_POSITIONS, _MASKS = "joint_positions", "puppet_mask"


def count_from_zero(document: Any, source: Path) -> Any:
    """Move the boxes and keypoints of a COCO-style document one pixel to the left and up.

    Args:
        document: Left as it is where nobody is annotated, or it is not COCO-style.
        source: The file, for errors.

    Raises:
        ElifPoseError: If somebody has no box or keypoints of numbers.
    """
    annotated = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(annotated, list):
        return document
    moved = []
    for position, person in enumerate(annotated):
        with refused(source, f"annotation number {position}", "JHMDB's converted JSON"):
            left, top, width, height = person["bbox"]
            numbers = list(person["keypoints"])
            for axis in (0, 1):
                numbers[axis::3] = [value - 1 for value in numbers[axis::3]]
            moved.append({**person, "bbox": [left - 1, top - 1, width, height], "keypoints": numbers})
    return {**document, "annotations": moved}


def from_jhmdb_clips(content: bytes, source: Path) -> Record:
    """Turn the clips of a list into a COCO-style document.

    The list is the publisher's: a line per clip, its name with ``.avi`` and a number, of which 0 leaves the clip out.
    ``grep -h ' 1$' splits/*_test_split1.txt > train1.txt`` gathers a split's clips for training, and ``' 2$'`` those
    for testing. ``joint_positions`` and ``puppet_mask`` lie beside the list or beside its folder; images are named
    ``action/clip/00001.png``, as they are in ``Rename_Images``.

    The box is that of the puppet's mask, so that a frame whose mask is empty has none. A joint outside the image was
    guessed, and counts as not labelled. Ids are positions, counted from 0 over all clips in the list's order.
    A cache is made anew when the list changes, not when a clip does.

    Args:
        content: The list.
        source: Its path.

    Raises:
        ElifPoseError: If a clip is not there, or a file not as the publisher's, or scipy is not installed.
    """
    folder = next((up for up in (source.parent, source.parent.parent) if (up / _POSITIONS).is_dir()), None)
    if folder is None:
        raise ElifPoseError(
            f"{source} lists clips of JHMDB, but has no folder {_POSITIONS} beside it; unpack it there"
        )
    present = {file.parent.name: file for file in folder.glob(f"{_POSITIONS}/*/*/{_POSITIONS}.mat")}
    images: list[Record] = []
    people: list[Record] = []
    for clip in _clips(content, source):
        if clip not in present:
            raise ElifPoseError(f"{source}: the clip {clip} has no file in {folder / _POSITIONS}; unpack all of it")
        action = present[clip].parent.parent.name
        _add_clip(
            images, people, f"{action}/{clip}", present[clip], folder / _MASKS / action / clip / f"{_MASKS}.mat"
        )
    return {"images": images, "annotations": people}


def _clips(content: bytes, source: Path) -> list[str]:
    clips = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        name, part = (*line.strip().rsplit(maxsplit=1), "")[:2]
        if not (name.endswith(".avi") and part in ("0", "1", "2")):
            raise ElifPoseError(
                f"{source}, line {number}: a list of JHMDB's clips has lines such as 'NAME.avi 1', not {line[:60]!r}"
            )
        if part != "0":
            clips.append(name.removesuffix(".avi"))
    return clips


def _add_clip(images: list[Record], people: list[Record], clip: str, positions: Path, masks: Path) -> None:
    """Append a clip's frames; each shows one person."""
    points, puppets = (
        _variable(_read(file), name, file) for file, name in ((positions, "pos_img"), (masks, "part_mask"))
    )
    with refused(positions, "pos_img", "JHMDB's joint positions of shape 2 x 15 x frames"):
        points = points.reshape(2, _JOINTS, -1).transpose(2, 1, 0).astype(np.float64)
    with refused(masks, "part_mask", "JHMDB's masks of shape height x width x frames"):
        puppets = puppets[:, :, None] if puppets.ndim == 2 else puppets
        height, width, frames = puppets.shape
    for frame, keypoints in enumerate(points):
        position = len(images)
        name = f"{clip}/{frame + 1:05}.png"
        images.append({"id": position, "file_name": name, "width": width, "height": height})
        box = _box(puppets[..., frame]) if frame < frames else None
        inside = np.all((keypoints >= 0.5) & (keypoints <= (width + 0.5, height + 0.5)), axis=1, keepdims=True)
        labelled = np.concatenate((keypoints - 1, np.full_like(inside, 2.0, np.float64)), axis=1) * inside
        people.append({"id": position, "image_id": position, "bbox": box, "keypoints": labelled.ravel().tolist()})


def _box(mask: npt.NDArray[Any]) -> list[int] | None:
    """Left, top, width and height of what a mask covers, pixels counted from 0."""
    ys, xs = np.nonzero(mask)
    if not len(xs):
        return None
    left, top = int(xs.min()), int(ys.min())
    return [left, top, int(xs.max()) - left + 1, int(ys.max()) - top + 1]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return read_mat(file.read_bytes(), file)
    except OSError as error:
        raise ElifPoseError(
            f"{file} cannot be read ({error.strerror}); unpack JHMDB's {_POSITIONS} and {_MASKS}"
        ) from error


def _variable(variables: Mapping[str, Any], name: str, file: Path) -> npt.NDArray[Any]:
    value = variables.get(name)
    if not isinstance(value, np.ndarray):
        raise ElifPoseError(f"{file} has no array {name!r}, as JHMDB's has; unpack it again")
    return value
