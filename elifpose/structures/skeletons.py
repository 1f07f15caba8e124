"""Which skeletons there are, and how one maps to another by name."""

from collections.abc import Mapping
from typing import Any

from elifpose.structures.public_skeletons import ALIASES, COCO17, COCO_WHOLEBODY, HALPE26, SKELETONS
from elifpose.structures.skeleton import Skeleton
from elifpose.structures.skeleton_file import is_skeleton_file, read_skeleton
from elifpose.utils.errors import ElifPoseError

__all__ = [
    "ALIASES",
    "COCO17",
    "COCO_WHOLEBODY",
    "HALPE26",
    "SKELETONS",
    "get_skeleton",
    "keypoint_mapping",
    "recorded_skeleton",
    "skeleton_record",
]


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name, or of a user's own file.

    Args:
        name: One of `SKELETONS`, or the path of a YAML file (see `elifpose.structures.skeleton_file`).

    Raises:
        ElifPoseError: If there is none of that name, or the file does not describe one.
    """
    if is_skeleton_file(name):
        return read_skeleton(name)
    if name not in SKELETONS:
        known = ", ".join(SKELETONS)
        raise ElifPoseError(f"there is no skeleton {name!r}; known are {known}, and files of your own (FILE.yaml)")
    return SKELETONS[name]


def skeleton_record(skeleton: Skeleton) -> str | dict[str, Any]:
    """What a checkpoint keeps of a skeleton: the name of a known one, all of a user's own."""
    return skeleton.name if SKELETONS.get(skeleton.name) == skeleton else skeleton.arguments()


def recorded_skeleton(record: str | Mapping[str, Any]) -> Skeleton:
    """The skeleton that `skeleton_record` stood for; no file is needed."""
    return get_skeleton(record) if isinstance(record, str) else Skeleton.from_arguments(record)


def keypoint_mapping(source: Skeleton, target: Skeleton) -> tuple[tuple[int, int], ...]:
    """Which keypoints of two skeletons are the same point, by name and by `ALIASES`.

    Returns:
        Pairs (position in ``source``, position in ``target``), in the source's order. Points that only one of the
        two has are left out: a sample of ``source`` has weight 0 there.
    """
    target_index = {ALIASES.get(name, name): index for index, name in enumerate(target.keypoints)}
    names = (ALIASES.get(name, name) for name in source.keypoints)
    return tuple((index, target_index[name]) for index, name in enumerate(names) if name in target_index)
