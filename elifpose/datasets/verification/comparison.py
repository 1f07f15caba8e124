"""What pictures were found to be, compared with what the annotations say and with each other."""

from collections.abc import Mapping, Sequence

from elifpose.datasets.verification.opening import OpenedSet
from elifpose.datasets.verification.pictures import DAMAGED, Picture
from elifpose.datasets.verification.problems import Severity
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image

MEND, LOOK = Severity.MEND, Severity.LOOK


def compare_with_annotations(opened: OpenedSet, pictures: Mapping[str, Picture]) -> None:
    """Add what is wrong with a set's images to its findings.

    Args:
        opened: The set.
        pictures: Of each of its paths.
    """
    for path, size, shown in zip(opened.paths, opened.sizes.tolist(), opened.shown.tolist(), strict=True):
        picture, matters = pictures[path], MEND if shown else LOOK
        if picture.kind:
            opened.findings.add(picture.kind, LOOK if picture.kind == DAMAGED else matters, path, picture.reason)
        if picture.size is not None and not fits(path, picture.size, (size[0], size[1])):
            found, stated = (f"{width} x {height}" for width, height in (picture.size, size))
            reason = f"{found} pixels, annotated as {stated}: keypoints are off"
            opened.findings.add("image of another size", matters, path, reason)
    opened.findings.looked_at["images"] = sum(pictures[path].size is not None for path in opened.paths)


def fits(path: str, found: tuple[int, int], stated: tuple[int, int]) -> bool:
    """Whether a picture has the stated width and height, as stored or turned as its EXIF orientation says."""
    if found == stated:
        return True
    if found != stated[::-1]:
        return False
    try:
        height, width = read_image(path, apply_orientation=True).shape[:2]
    except ElifPoseError:
        return False
    return (width, height) == stated


def compare_with_each_other(sets: Sequence[OpenedSet], pictures: Mapping[str, Picture]) -> None:
    """Add pictures that a set has twice, and those that both training and validation show, to findings.

    The latter are told of the validation set.

    Args:
        sets: All.
        pictures: Of each of their paths.
    """
    trained: dict[bytes, str] = {}
    for opened in sets:
        first: dict[bytes, str] = {}
        for path in _shown(opened, pictures):
            digest = pictures[path].digest
            if (other := first.setdefault(digest, path)) != path:
                opened.findings.add("image twice", LOOK, path, f"the same picture as {other}")
            if "train" in opened.findings.source.splits:
                trained.setdefault(digest, f"{opened.findings.source.name} ({path})")
    for opened in sets:
        if "val" in opened.findings.source.splits:
            for path in _shown(opened, pictures):
                if seen := trained.get(pictures[path].digest):
                    opened.findings.add("image also trained on", LOOK, path, f"the training set {seen} shows it")


def _shown(opened: OpenedSet, pictures: Mapping[str, Picture]) -> list[str]:
    """The whole pictures that people are cropped from."""
    paths = zip(opened.paths, opened.shown.tolist(), strict=True)
    return [path for path, shown in paths if shown and pictures[path].size is not None]
