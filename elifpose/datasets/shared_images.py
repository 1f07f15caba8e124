"""Which pictures both training and validation show, be it in two sets or in copies."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_HEAD_BYTES = 4096  # beyond the header that the JPEG files of one camera or one converter have in common
_EXAMPLES = 3

Listing = tuple[Path, Sequence[str]]
"""A folder, and the names of a set's images in it."""


class SharedImage(NamedTuple):
    """A picture that is validated on although it is trained on."""

    train: str
    """Name of the training set."""
    val: str
    """Name of the validation set."""
    path: str
    """The validation set's file."""


class _Image(NamedTuple):
    trained: bool
    of_set: str
    path: str


def shared_images(train: Mapping[str, Listing], val: Mapping[str, Listing]) -> list[SharedImage]:
    """Pictures that both training and validation show.

    Two files are the same picture if their names (without folders), their sizes and their first 4096 bytes agree.
    Only files of a name that both sides have are touched, and only those read whose sizes agree. A file that cannot
    be read is no picture.

    Args:
        train: The images of each training set, by the set's name.
        val: The same for validation.

    Returns:
        Each validation image once for every training set that has it; in order of sets and paths.
    """
    names = _base_names(train) & _base_names(val)
    if not names:
        return []
    groups = [[*_images(train, True, names), *_images(val, False, names)]]
    for key in (_name_and_size, _head):
        groups = [part for group in groups for part in _parts(group, key)]
    shared = {
        SharedImage(one.of_set, image.of_set, image.path)
        for group in groups
        for one in group
        for image in group
        if one.trained and not image.trained
    }
    return sorted(shared)


def pairs_of_sets(shared: Iterable[SharedImage]) -> list[str]:
    """One phrase for each pair of sets, such as "halpe26 (val) and coco (train) share 5 images (a.jpg, b.jpg, …)"."""
    paths: dict[tuple[str, str], list[str]] = {}
    for image in shared:
        paths.setdefault((image.val, image.train), []).append(image.path)
    return [
        f"{val} (val) and {train} (train) share {len(of_pair)} image{'s' if len(of_pair) > 1 else ''}"
        f" ({', '.join(of_pair[:_EXAMPLES])}{', …' if len(of_pair) > _EXAMPLES else ''})"
        for (val, train), of_pair in paths.items()
    ]


def _base_names(sets: Mapping[str, Listing]) -> set[str]:
    return {_base_name(name) for _, names in sets.values() for name in names}


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]


def _images(sets: Mapping[str, Listing], trained: bool, base_names: set[str]) -> Iterator[_Image]:
    for of_set, (folder, names) in sets.items():
        for name in names:
            if _base_name(name) in base_names:
                yield _Image(trained, of_set, f"{folder}/{name}")


def _parts(group: list[_Image], key: Callable[[str], Hashable]) -> list[list[_Image]]:
    """The parts of equal key that have images of both training and validation."""
    parts: dict[Hashable, list[_Image]] = {}
    for image in group:
        try:
            parts.setdefault(key(image.path), []).append(image)
        except OSError:
            continue  # absent or unreadable
    return [part for part in parts.values() if len({image.trained for image in part}) > 1]


def _name_and_size(path: str) -> tuple[str, int]:
    return _base_name(path), os.stat(path).st_size  # noqa: PTH116  (many thousands)


def _head(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.blake2b(file.read(_HEAD_BYTES), digest_size=16).digest()
