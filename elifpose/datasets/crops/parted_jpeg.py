"""JPEGs of which a part can be decoded: a restart marker follows each piece of a row of blocks.

What lies between two markers needs nothing of what came before, so the pieces that a part touches, put one after the
other behind the same header with another width and height, are a JPEG of that part. The whole is one that any
program opens. (ITU-T T.81, B.2 and E.1.4.)
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray

_BLOCK = 16  # pixels a side; colours are halved both ways
_BLOCKS_A_PIECE = 4
_PIECE = _BLOCK * _BLOCKS_A_PIECE
_FORMAT = (
    *(cv2.IMWRITE_JPEG_QUALITY, 90),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    *(cv2.IMWRITE_JPEG_RST_INTERVAL, _BLOCKS_A_PIECE),
)
_MARGIN = 4  # pixels about a part that decide about its own: colours are interpolated from their neighbours
_FRAME, _SCAN = b"\xff\xc0", b"\xff\xda"
_FIRST_RESTART, _RESTARTS, _END = 0xD0, 8, 0xD9


class Part(NamedTuple):
    """A JPEG of a part of a picture."""

    content: bytes
    left: int
    """Of the part's first pixel in the picture."""
    top: int


def encode(image: ImageArray) -> bytes:
    """A JPEG of a picture ``(H, W, 3)``, RGB, made as wide as whole pieces are by repeating the last column."""
    beyond = -image.shape[1] % _PIECE
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    widened = cv2.copyMakeBorder(colours, 0, 0, 0, beyond, cv2.BORDER_REPLICATE)
    done, encoded = cv2.imencode(".jpg", widened, _FORMAT)
    if not done:
        raise OSError(0, "a crop could not be encoded")
    return encoded.tobytes()


def cut_part(content: bytes, left: float, top: float, right: float, bottom: float) -> Part:
    """A JPEG of the whole pieces that a part of a picture touches; the part's pixels are those of the whole picture.

    Args:
        content: What `encode` gave.
        left: First column that matters; this and the next three in pixels of the picture, and perhaps beyond it.
        top: First row.
        right: Last column.
        bottom: Last row.

    Raises:
        ElifPoseError: If the content is not what `encode` gave.
    """
    frame, scan = content.find(_FRAME), content.find(_SCAN)
    begin = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4], "big")
    height, width = (int.from_bytes(content[frame + at : frame + at + 2], "big") for at in (5, 7))
    rows, columns = -(-height // _BLOCK), width // _PIECE
    ends = _piece_ends(content, begin)
    if frame < 0 or scan < 0 or len(ends) != rows * columns or not len(ends):
        raise ElifPoseError("it is not made of pieces, or not whole")
    first_row, end_row = _touched(top, bottom, _BLOCK, rows)
    first, end = _touched(left, right, _PIECE, columns)
    chosen = np.s_[first_row:end_row, first:end]
    starts = np.concatenate(((begin,), ends[:-1])).reshape(rows, columns)[chosen]
    ends = ends.reshape(rows, columns)[chosen]
    of_rows = zip(starts[:, 0].tolist(), ends[:, -1].tolist(), strict=True)
    joined = np.frombuffer(
        bytearray().join((content[:begin], *(content[low:high] for low, high in of_rows))), np.uint8
    )
    markers = begin + np.cumsum(ends - starts) - 1
    joined[markers] = _FIRST_RESTART + np.arange(len(markers)) % _RESTARTS
    joined[markers[-1]] = _END
    size = min(end_row * _BLOCK, height) - first_row * _BLOCK, (end - first) * _PIECE
    joined[frame + 5 : frame + 9] = np.array(size, ">u2").view(np.uint8)
    return Part(joined.tobytes(), first * _PIECE, first_row * _BLOCK)


def _touched(low: float, high: float, size: int, count: int) -> tuple[int, int]:
    """The first and the one behind the last of ``count`` pieces, ``size`` pixels each, about a part; at least one."""
    first = min(max(int(low - _MARGIN) // size, 0), count - 1)
    return first, min(max(int(high + _MARGIN) // size, first) + 1, count)


def _piece_ends(content: bytes, begin: int) -> npt.NDArray[np.intp]:
    """Where each piece ends, behind its marker; a byte of 255 within a piece is followed by 0."""
    data = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(data[begin:-1] == 0xFF) + begin + 1
    return marks[data[marks] > 0] + 1
