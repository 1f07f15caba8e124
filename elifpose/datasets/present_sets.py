"""Which of the sets that a configuration names are on this disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from elifpose.datasets.pose_set import PURPOSES, PoseSet
from elifpose.utils.errors import ElifPoseError

Sources = Mapping[str, Mapping[str, PoseSet]]
"""Sets by name, for each of ``train``, ``val``, ``test`` and ``predict``, or some of these."""


class PresentSets(NamedTuple):
    """The sets that a run can use."""

    sets: dict[str, dict[str, PoseSet]]
    """For each split, by name, in the order asked for."""
    absent: tuple[str, ...]
    """What the others lack, such as "data.train.aic: no images data/aic/train"."""


def present_sets(sources: Sources, root: Path, allow_missing: bool) -> PresentSets:
    """The sets whose annotations and images exist.

    Args:
        sources: What was asked for.
        root: Where relative paths start.
        allow_missing: Whether the others may be left out.

    Raises:
        ElifPoseError: If paths do not exist and nothing may be left out, all of them named; or if a split has no
            set, or none that is there.
    """
    present: dict[str, dict[str, PoseSet]] = {split: {} for split in sources}
    absent = []
    for split, of_split in sources.items():
        if not of_split:
            raise ElifPoseError(f"the data names no set {PURPOSES[split]}; give one under data.{split}")
        for name, pose_set in of_split.items():
            if files := absent_files(pose_set, root):
                absent += [f"data.{split}.{name}: no {argument} {path}" for argument, path in files.items()]
            else:
                present[split][name] = pose_set
    if absent and not allow_missing:
        _refuse("files of the data are not there:", absent, root, "; or leave sets out by --data.allow_missing=true")
    for split, of_split in present.items():
        if not of_split:
            _refuse(f"there is none of the sets {PURPOSES[split]}:", absent, root)
    return PresentSets(present, tuple(absent))


def absent_files(pose_set: PoseSet, root: Path) -> dict[str, Path]:
    """Those of a set's annotations and images that do not exist, by the name of the argument."""
    paths = {"annotations": root / pose_set.annotations, "images": root / pose_set.images}
    return {argument: path for argument, path in paths.items() if not path.exists()}


def _refuse(what: str, absent: Sequence[str], root: Path, or_else: str = "") -> NoReturn:
    listed = "\n  ".join((what, *absent))
    raise ElifPoseError(
        f"{listed}\nFetch them (elifpose data synthesize renders the quickstart's), or correct the paths or"
        f" --data.root (which is {root}){or_else}"
    )
