"""One set's crops in one file, and an index of where each begins.

Layout: eight bytes of magic, 16 of a digest of what the crops were made from, then for each person, in the set's
order, the length (uint32, little-endian), BLAKE2b of 8 bytes, and a JPEG with restart markers. A length of 0 says
that the person is to be cropped from the image. The index, a file of columns beside it, is written when all are
there.
"""

import hashlib
import json
import os
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.columns import Columns, read_columns
from elifpose.datasets.crops.parted_jpeg import cut_part
from elifpose.datasets.crops.window import Window, seen_part
from elifpose.datasets.transforms import warp
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import FloatArray
from elifpose.utils.image import ImageArray
from elifpose.utils.image_buffer import ImageBuffer

MAGIC = b"ELIFCRP1"
LENGTH_BYTES, DIGEST_BYTES, STAMP_BYTES = 4, 8, 16
RECORD_HEADER = LENGTH_BYTES + DIGEST_BYTES
_VERSION = 2  # goes up whenever the same people give other crops

Stamp = dict[str, Any]


def make_stamp(
    annotations: Annotations,
    boxes: FloatArray,
    image_indices: npt.NDArray[np.int32],
    input_size: tuple[int, int],
    padding: float,
) -> Stamp:
    """What crops follow from, as JSON values; that the images themselves did not change is taken for granted.

    Args:
        annotations: The set's, for names and sizes of the images.
        boxes: ``(S, 4)``, image pixels, left, top, width, height.
        image_indices: ``(S,)``, each person's image as a position in the annotations.
        input_size: Width and height of the network's input, pixels.
        padding: Factor on the box.
    """
    digest = hashlib.blake2b(digest_size=STAMP_BYTES)
    names, ends = annotations.file_name_bytes, annotations.file_name_offsets
    for array in (boxes, image_indices, annotations.image_sizes, names, ends):
        digest.update(np.ascontiguousarray(array).data)
    return {
        "version": _VERSION,
        "people": len(boxes),
        "input_size": list(input_size),
        "padding": padding,
        "boxes": digest.hexdigest(),
    }


def shard_header(stamp: Stamp) -> bytes:
    """The first bytes of a file of crops."""
    return MAGIC + hashlib.blake2b(json.dumps(stamp, sort_keys=True).encode(), digest_size=STAMP_BYTES).digest()


def crop_files(folder: Path, set_name: str) -> tuple[Path, Path]:
    """The file of a set's crops and the index beside it."""
    path = folder / f"{set_name}.crops"
    return path, _index_of(path)


def _index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.columns")


@final
class CropShard:
    """Reads the crops of a set.

    Args:
        path: The file of crops.
        index: Its columns: ``windows`` ``(S, 8)`` and ``starts`` ``(S + 1,)``, where each JPEG's header begins.
    """

    def __init__(self, path: Path, index: Columns) -> None:
        self.path = path
        self._windows: npt.NDArray[np.int32] = index.arrays["windows"]
        self._starts: npt.NDArray[np.int64] = index.arrays["starts"]
        self._buffer = ImageBuffer()

    def __len__(self) -> int:
        return len(self._windows)

    def crop(self, sample: int, image_to_input: FloatArray, input_size: tuple[int, int]) -> ImageArray | None:
        """Crop a person from what is kept; None where the whole image is needed.

        Args:
            sample: Position of the person in the set.
            image_to_input: ``(2, 3)``, image pixels to input pixels.
            input_size: Width and height of the crop, pixels.

        Returns:
            ``(H_input, W_input, 3)``, RGB.

        Raises:
            ElifPoseError: If the file is damaged or cannot be read.
        """
        begin, end = self._starts[sample : sample + 2].tolist()
        window = Window(*self._windows[sample].tolist())
        if end - begin == RECORD_HEADER or not window.serves(image_to_input, input_size):
            return None
        kept_to_input = window.kept_to_input(image_to_input)
        part, left, top = self._decode(sample, seen_part(kept_to_input, input_size))
        kept_to_input[:, 2] += kept_to_input[:, :2] @ (left, top)
        return warp(part[:, : window.kept_width - left], kept_to_input, input_size)

    def read(self, sample: int) -> ImageArray:
        """Decode what is kept of a person, ``(H_kept, W_kept, 4)``, RGB and 255; valid until the next one.

        Raises:
            ElifPoseError: If the file is damaged or cannot be read.
        """
        window = Window(*self._windows[sample].tolist())
        whole, _, _ = self._decode(sample, (0.0, 0.0, window.kept_width, window.kept_height))
        return whole[:, : window.kept_width]

    def _decode(self, sample: int, seen: tuple[float, float, float, float]) -> tuple[ImageArray, int, int]:
        """What is kept of a person about a part, given in kept pixels; and the left and top of what was decoded."""
        begin, end = self._starts[sample : sample + 2].tolist()
        begin += RECORD_HEADER
        try:
            content = os.pread(self._file, end - begin, begin)
        except OSError as error:
            raise ElifPoseError(f"the crops {self.path} cannot be read: {error.strerror}") from error
        try:
            content, left, top = cut_part(content, *seen)
            return self._buffer.decode(content, f"crop {sample} of {self.path}"), left, top
        except ElifPoseError as error:
            raise ElifPoseError(
                f"crop {sample} of {self.path} is damaged; run `elifpose data cache` again, or delete the file to"
                " read whole images"
            ) from error

    @cached_property
    def _file(self) -> int:
        """The opened file's descriptor; processes that inherit it read at positions of their own."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ElifPoseError(f"the crops {self.path} went away: {error.strerror}; start again") from error
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    def __reduce__(self) -> tuple[Callable[[Path], "CropShard"], tuple[Path]]:
        """Travel to another process by name."""
        return _reopen, (self.path,)


def _reopen(path: Path) -> CropShard:
    index = read_columns(_index_of(path))
    if index is None:
        raise ElifPoseError(f"the index of the crops {path} went away; start again")
    return CropShard(path, index)


def find_crops(folder: Path, set_name: str, make_stamp: Callable[[], Stamp]) -> CropShard | None:
    """The crops of a set, if they are whole and were made from what the set is now.

    Says so if they are used, and warns if they are there but cannot be.

    Args:
        folder: The folder of crops.
        set_name: What the set is called.
        make_stamp: Gives the set's stamp; not called where there are no crops, for it looks at all boxes.
    """
    path, index_path = crop_files(folder, set_name)
    if not path.exists():
        return None
    index, stamp = read_columns(index_path), make_stamp()
    if index is None:
        wrong = "are not finished"
    elif {**index.stamp, **stamp} != index.stamp:
        wrong = "were made for other boxes, images or another input size"
    elif index.stamp["bytes"] != path.stat().st_size:
        wrong = "are cut off"
    else:
        rank_zero_info(f"data set {set_name!r}: reads {stamp['people']:,} crops from {path}")
        return CropShard(path, index)
    rank_zero_warn(
        f"data set {set_name!r}: the crops {path} {wrong}, so that whole images are read; run `elifpose data cache`"
        " with the options of this run again"
    )
    return None
