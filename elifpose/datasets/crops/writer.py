"""Cuts the people of a set out of their images and keeps them in one file; goes on where it was interrupted."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.columns import write_columns
from elifpose.datasets.crops.parted_jpeg import encode
from elifpose.datasets.crops.shard import DIGEST_BYTES, LENGTH_BYTES, RECORD_HEADER, crop_files, shard_header
from elifpose.datasets.crops.window import Window, find_windows
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray


class Written(NamedTuple):
    """What there is of a set's crops."""

    path: Path
    people: int
    found: int
    """How many of them an earlier run had written."""
    without: int
    """People in images of another size than annotated: they are cropped from the image."""
    bytes: int


def write_crops(data_set: PoseDataset, folder: Path, threads: int, advance: Callable[[int], None]) -> Written:
    """Write what is missing of a set's crops.

    Whatever an earlier run left is read and compared with its hash first; it is kept up to the first damaged crop.
    The index is written last, in one step. The same images give the same bytes, so two runs at once do no harm.

    Args:
        data_set: The set.
        folder: Where the files go; made if it does not exist.
        threads: How many images are worked on at a time.
        advance: Told how many more people are done, each time.

    Raises:
        ElifPoseError: If an image cannot be read, or the folder not be written to.
    """
    (path, index), stamp = crop_files(folder, data_set.name), data_set.crop_stamp()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            lengths = _whole_records(file, shard_header(stamp), len(data_set), advance)
            found = len(lengths)
            if found < len(data_set):
                index.unlink(missing_ok=True)
                for content in _contents(data_set, found, threads):
                    file.write(_record(content))
                    lengths.append(len(content))
                    advance(1)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        starts = np.cumsum([len(shard_header(stamp)), *(RECORD_HEADER + length for length in lengths)])
        write_columns(index, {"windows": _windows(data_set), "starts": starts}, {**stamp, "bytes": size})
    except OSError as error:
        raise ElifPoseError(
            f"cannot write the crops {path}: {error.strerror}; make room, or choose another folder by --data.crops"
        ) from error
    return Written(path, len(data_set), found, lengths.count(0), size)


def _whole_records(file: BinaryIO, header: bytes, people: int, advance: Callable[[int], None]) -> list[int]:
    """Lengths of the crops that are there as they were written; whatever else is in the file is cut off.

    Leaves the file at its new end, behind the header.
    """
    if file.read(len(header)) != header:
        file.seek(0)
        file.truncate()
        file.write(header)
        return []
    end, lengths = len(header), list[int]()
    while len(lengths) < people:
        head = file.read(RECORD_HEADER)
        length = int.from_bytes(head[:LENGTH_BYTES], "little")
        content = file.read(length)
        if len(content) < length or _record(content)[:RECORD_HEADER] != head:
            break
        lengths.append(length)
        end += RECORD_HEADER + length
        advance(1)
    file.seek(end)
    file.truncate()
    return lengths


def _record(content: bytes) -> bytes:
    digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
    return len(content).to_bytes(LENGTH_BYTES, "little") + digest + content


def _windows(data_set: PoseDataset) -> npt.NDArray[np.int32]:
    sizes = data_set.annotations.image_sizes[data_set.image_indices]
    return find_windows(data_set.boxes, sizes, data_set.input_size, data_set.transform.padding)


def _contents(data_set: PoseDataset, first: int, threads: int) -> Iterator[bytes]:
    """JPEGs of the people from ``first`` on, in order; several images are worked on ahead."""
    windows = _windows(data_set)
    images = data_set.image_indices[first:]
    begins = first + np.flatnonzero(np.diff(images, prepend=-1))
    runs = zip(begins.tolist(), [*begins[1:].tolist(), len(data_set)], strict=True)
    with ThreadPoolExecutor(threads) as pool:
        tasks = (pool.submit(_encode_people, data_set, windows[begin:end].tolist(), begin) for begin, end in runs)
        ahead = deque(islice(tasks, 2 * threads))
        try:
            while ahead:
                yield from ahead.popleft().result()
                ahead.extend(islice(tasks, 1))
        finally:
            for task in ahead:
                task.cancel()


def _encode_people(data_set: PoseDataset, windows: list[list[int]], first: int) -> list[bytes]:
    """JPEGs of the people of one image, the first of whom is ``first``; empty if the image has another size."""
    image = data_set.images.read(int(data_set.image_indices[first]))
    return [_encode(image, Window(*window)) for window in windows]


def _encode(image: ImageArray, window: Window) -> bytes:
    if image.shape[:2] != (window.image_height, window.image_width):
        return b""
    return encode(window.cut(image))
