"""Read a picture from disk: RGB, 8 bits, and an error with the file's name where it cannot be read."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.utils.errors import ElifPoseError

ImageArray = npt.NDArray[np.uint8]

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_JPEG_SCAN, _JPEG_END, _PNG_END = b"\xff\xda", b"\xff\xd9", b"IEND"
# Frame headers SOF0..SOF15, without the three markers of that range which mean something else.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HEADER_BYTES = 1 << 16
_READ_RGB: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)  # since OpenCV 4.11: decodes without a second pass


def read_image(path: str | Path, apply_orientation: bool = False) -> ImageArray:
    """Decode a picture.

    Grey, palette, CMYK, 16-bit and transparent pictures all become 8-bit RGB. The EXIF orientation is ignored
    unless asked for: the annotations of COCO, and of the sets made in its image, refer to the pixels as they are
    stored, and its ``width`` and ``height`` say so.

    Args:
        path: The file.
        apply_orientation: Turn the picture as its EXIF tag says.

    Returns:
        ``(H, W, 3)`` uint8, RGB.

    Raises:
        ElifPoseError: If the file is missing, cut off or not a picture. (OpenCV fills what is missing of a JPEG with
            grey and only prints a line; here it is an error.)
    """
    return decode_image(read_bytes(path), f"the image {path}", apply_orientation)


def decode_image(data: bytes, name: str, apply_orientation: bool = False) -> ImageArray:
    """Decode the bytes of a picture, as `read_image` does.

    Args:
        data: The content of a file.
        name: What errors call it.
        apply_orientation: Turn the picture as its EXIF tag says.

    Raises:
        ElifPoseError: If the picture is cut off or none.
    """
    if _is_cut_off(data):
        raise ElifPoseError(f"{name} is cut off: its end is missing; copy or download it again")
    flags = cv2.IMREAD_COLOR if _READ_RGB is None else _READ_RGB
    if not apply_orientation:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ElifPoseError(f"{name} cannot be decoded ({error.err}); replace it") from error
    if image is None:
        raise ElifPoseError(f"{name} is not an image that can be decoded; replace it by a JPEG or PNG file")
    if _READ_RGB is None:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.asarray(image, dtype=np.uint8)


def stored_size(path: str | Path) -> tuple[int, int] | None:
    """Width and height in pixels as stored, from the header of a JPEG or PNG file, without decoding it.

    None where the first 64 kB do not tell: another format, or a very long comment.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError:
        return None
    if head.startswith(_PNG) and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return _jpeg_size(head) if head.startswith(_JPEG) else None


def read_bytes(path: str | Path) -> bytes:
    """The content of a picture's file.

    Raises:
        ElifPoseError: If the file is missing, empty or cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ElifPoseError(f"there is no image {path}; check the folder of images") from error
    except OSError as error:
        raise ElifPoseError(
            f"the image {path} cannot be read ({error.strerror}); give a file that you may read"
        ) from error
    if not data:
        raise ElifPoseError(f"the image {path} is empty; copy or download it again")
    return data


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end marker.

    Compressed JPEG data never contains the bytes of a marker, so an end marker after the last start of a scan is
    the picture's own, not that of a thumbnail in its header. Whatever follows it is allowed.
    """
    if data.startswith(_JPEG):
        return not data.endswith(_JPEG_END) and data.rfind(_JPEG_END) <= data.rfind(_JPEG_SCAN)
    return data.startswith(_PNG) and _PNG_END not in data[-12:] and data.rfind(_PNG_END) < 0


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Walk the segments (marker, length, content) to the frame header: precision, height, width."""
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = (int.from_bytes(head[position + at : position + at + 2], "big") for at in (5, 7))
            return width, height
        if marker == 0xFF:  # a filling byte
            position += 1
        else:
            position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return None
