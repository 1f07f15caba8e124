"""Names of keypoints in other systems' files, and points that they leave out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from elifpose.inference.recording import FloatArray
from elifpose.structures.skeletons import ALIASES, HALPE26
from elifpose.utils.errors import ElifPoseError

_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "hip": ("left_hip", "right_hip")}
_OTHER_NAMES = {**ALIASES, "chip": "hip", "midhip": "hip", "pelvis": "hip", "headtop": "head", "upperneck": "neck"}


def marker_name(keypoint: str) -> str:
    """A keypoint as Pose2Sim names it.

    >>> marker_name("left_big_toe"), marker_name("nose")
    ('LBigToe', 'Nose')
    """
    side, _, rest = keypoint.partition("_")
    return (f"{side[0]}_{rest}" if rest else keypoint).title().replace("_", "")


def places_by_name(path: Path, names: Sequence[str]) -> dict[int, int]:
    """Which point of a file is which of Halpe26, by name: with or without case, underscores and spaces.

    Args:
        path: The file, for the message.
        names: The file's.

    Returns:
        Position in the file to position in Halpe26; points that it does not have are left out.

    Raises:
        ElifPoseError: If no leg is among them.
    """
    known = {_plain(name): index for index, name in enumerate(HALPE26.keypoints)}
    known |= {_plain(marker_name(name)): index for index, name in enumerate(HALPE26.keypoints)}
    known |= {_plain(other): known[_plain(name)] for other, name in _OTHER_NAMES.items()}
    places = {index: known[_plain(name)] for index, name in enumerate(names) if _plain(name) in known}
    found = {HALPE26.keypoints[index] for index in places.values()}
    if not any({f"{side}_{part}" for part in ("hip", "knee", "ankle")} <= found for side in ("left", "right")):
        wanted = ", ".join(marker_name(name) for name in HALPE26.keypoints)
        raise ElifPoseError(
            f"{path} names {', '.join(map(str, names))}, in which no leg's hip, knee and ankle are found: rename "
            f"its points; known are {wanted} (or left_big_toe and so on)"
        )
    return places


def add_middles(people: Sequence[FloatArray], places: Mapping[int, int]) -> list[str]:
    """Put neck and hip centre, where a file has none, into the middle of shoulders and hips.

    Args:
        people: ``(T, 26, 3)`` each, image pixels and score; changed in place.
        places: As `places_by_name` gave them.

    Returns:
        What was done, in sentences.
    """
    done = []
    for name, ends in _MIDDLES.items():
        middle, first, second = (HALPE26.keypoints.index(point) for point in (name, *ends))
        if middle not in places.values():
            for keypoints in people:
                keypoints[:, middle, :2] = (keypoints[:, first, :2] + keypoints[:, second, :2]) / 2
                keypoints[:, middle, 2] = np.minimum(keypoints[:, first, 2], keypoints[:, second, 2])
            done.append(f"the file has no {name}: it is taken to be in the middle of {ends[0]} and {ends[1]}")
    return done


def _plain(name: str) -> str:
    """A name without case, spaces and signs."""
    return "".join(letter for letter in str(name).lower() if letter.isalnum())
