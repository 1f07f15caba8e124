"""A set's annotations as packed arrays, kept in a cache, so that a second start costs nothing."""

import gc
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from elifpose.datasets.columns import Columns, read_columns, write_columns
from elifpose.structures import Skeleton
from elifpose.utils.errors import ElifPoseError

CACHE_VARIABLE = "ELIFPOSE_CACHE"
_VERSION = 1


@final
@dataclass(frozen=True, eq=False)
class Annotations:
    """Everything that an annotation file says about its ``I`` images and ``A`` annotated people.

    All of them: crowds, people without keypoints and boxes beyond the image are in here, because evaluation needs the
    first two and a user wants to be told of the last. Image pixels throughout.
    """

    image_ids: npt.NDArray[np.int64]
    """``(I,)``."""
    image_sizes: npt.NDArray[np.int32]
    """``(I, 2)``, width and height."""
    file_name_bytes: npt.NDArray[np.uint8]
    """All file names as the system encodes them, one after the other."""
    file_name_offsets: npt.NDArray[np.int64]
    """``(I + 1,)``, where each name starts; the last is where all end."""
    ids: npt.NDArray[np.int64]
    """``(A,)``, the annotations' own."""
    image_indices: npt.NDArray[np.int32]
    """``(A,)``, position of the person's image in `image_ids`; -1 if the file has no such image."""
    boxes: npt.NDArray[np.float64]
    """``(A, 4)``, left, top, width, height; NaN where there is none of finite numbers."""
    areas: npt.NDArray[np.float64]
    """``(A,)``, as annotated; 0.53 of width times height where the file has none."""
    crowd: npt.NDArray[np.bool_]
    """``(A,)``, whether a group is annotated as one."""
    num_keypoints: npt.NDArray[np.int32]
    """``(A,)``, the file's own count; -1 where it has none."""
    keypoints: npt.NDArray[np.float64]
    """``(A, K, 2)``, x then y."""
    visibility: npt.NDArray[np.uint8]
    """``(A, K)``, 0 not labelled, 1 labelled but hidden, 2 visible."""
    unusable: npt.NDArray[np.int64]
    """``(U,)``, positions of annotations with labelled keypoints that were NaN or absurd: those now count as not
    labelled."""
    others: npt.NDArray[np.int64]
    """``(1,)``, how many annotations of other categories than persons the file has."""
    cache: str | None = None
    """The file that the arrays are mapped from, if they are."""

    def file_name(self, image_index: int) -> str:
        """An image's file name, relative to the folder of images."""
        start, end = self.file_name_offsets[image_index : image_index + 2]
        return os.fsdecode(self.file_name_bytes[start:end].tobytes())

    def file_names(self) -> list[str]:
        """All file names, in the order of `image_ids`."""
        if not len(self.image_ids):
            return []
        separated = np.insert(self.file_name_bytes, self.file_name_offsets[1:-1], 0)  # no file name has a NUL
        return os.fsdecode(separated.tobytes()).split("\0")

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cache"}

    @classmethod
    def of_columns(cls, stored: Columns, cache: str | None) -> Self:
        """From the arrays of a cache file."""
        arrays: dict[str, Any] = stored.arrays
        return cls(**arrays, cache=cache)

    @classmethod
    def open(cls, cache: str) -> Self:
        """Map the arrays of a cache file."""
        stored = read_columns(Path(cache))
        if stored is None:
            raise ElifPoseError(f"the cached annotations {cache} went away; start again to have them rebuilt")
        return cls.of_columns(stored, cache)

    def __reduce__(self) -> tuple[Callable[..., "Annotations"], tuple[Any, ...]]:
        """Travel to another process by name where there is a cache, so that no copy is made."""
        if self.cache is not None:
            return Annotations.open, (self.cache,)
        return Annotations, tuple(getattr(self, field.name) for field in fields(self))


def load_annotations(
    path: str | Path, skeleton: Skeleton, parse: Callable[[bytes, Path, Skeleton], Annotations]
) -> Annotations:
    """The annotations of a file, from the cache if that was made from the same content.

    The cache is trusted when the file's size and times of change are those that it was made from; when they are not
    but the content (BLAKE2b) is, it is only stamped anew. It lies in ``$ELIFPOSE_CACHE`` if that is set, else beside
    the annotation file, else (where that folder is read-only) in ``~/.cache/elifpose``; without any place to write,
    the arrays stay in memory. Several processes may do this at once.

    Args:
        path: The annotation file.
        skeleton: What it is annotated with.
        parse: Makes annotations of the file's content; called with the content, the path and the skeleton.

    Raises:
        ElifPoseError: If the file cannot be read, or as ``parse`` does.
    """
    source = Path(path)
    made_by = {"version": _VERSION, "skeleton": list(skeleton.keypoints)}
    places = _cache_files(source, skeleton)
    stored, place = _find(places, made_by)
    try:
        status = source.stat()
        seen = {"size": status.st_size, "changed": [status.st_mtime_ns, status.st_ctime_ns]}
        if stored is not None and {**stored.stamp, **seen} == stored.stamp:
            return Annotations.of_columns(stored, place)
        content = source.read_bytes()
    except FileNotFoundError as error:
        raise ElifPoseError(f"there is no annotation file {path}; check the path and the root") from error
    except OSError as error:
        raise ElifPoseError(f"the annotation file {path} cannot be read: {error.strerror}") from error
    digest = hashlib.blake2b(content, digest_size=32).hexdigest()
    if stored is not None and stored.stamp["digest"] == digest:
        annotations = Annotations.of_columns(stored, None)
    else:
        with _no_search_for_cycles():
            annotations = parse(content, source, skeleton)
    return _store(annotations, {**made_by, **seen, "digest": digest}, places)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """JSON becomes millions of objects without a cycle; Python's search for some would take most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _find(places: list[Path], made_by: dict[str, Any]) -> tuple[Columns | None, str | None]:
    """The first cache that this version wrote for this skeleton, and where it lies."""
    for place in places:
        stored = read_columns(place)
        if stored is not None and {**stored.stamp, **made_by} == stored.stamp:
            return stored, str(place)
    return None, None


def _store(annotations: Annotations, stamp: dict[str, Any], places: list[Path]) -> Annotations:
    """Write the cache to the first place that takes it, and map it from there."""
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.parent.stat().st_mode & 0o222:  # a folder marked read-only stays as it is, for root too
                write_columns(place, annotations.columns(), stamp)
                return Annotations.open(str(place))
        except OSError:
            continue
    return annotations


def _cache_files(source: Path, skeleton: Skeleton) -> list[Path]:
    """Where the cache of a file may lie, best place first."""
    source = Path(os.path.realpath(source))  # Path.resolve raises where links go round in a circle
    name = f"{source.name}.{skeleton.name}.columns"
    marked = f"{hashlib.blake2b(bytes(source), digest_size=8).hexdigest()}-{name}"
    if folder := os.environ.get(CACHE_VARIABLE):
        return [Path(folder).resolve() / marked]
    return [source.parent / name, Path("~/.cache/elifpose").expanduser() / marked]
