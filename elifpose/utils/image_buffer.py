"""Memory that pictures are decoded into one after the other, with a fourth channel that is not looked at.

OpenCV warps four channels twice as fast as three, and to the same values. Memory that was touched before costs
nothing, where fresh pages from the operating system would take most of the gain away.
"""

import threading
from pathlib import Path
from typing import Self, final

import cv2
import numpy as np

from elifpose.utils.image import ImageArray, decode_image, read_bytes


@final
class ImageBuffer(threading.local):
    """Holds one picture at a time: each that a thread reads takes the place of the one before."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def read(self, path: str | Path) -> ImageArray:
        """Decode a picture as `elifpose.utils.image.read_image` does, as stored.

        Returns:
            ``(H, W, 4)`` uint8, RGB and 255; valid until the next one is read.

        Raises:
            ElifPoseError: If the file is missing, cut off or not a picture.
        """
        return self.decode(read_bytes(path), f"the image {path}")

    def decode(self, data: bytes, name: str) -> ImageArray:
        """Decode the bytes of a picture.

        Args:
            data: The content of a file.
            name: What errors call it.

        Raises:
            ElifPoseError: If the picture is cut off or none.
        """
        return self.hold(decode_image(data, name))

    def hold(self, image: ImageArray) -> ImageArray:
        """Take a picture ``(H, W, 3)``, RGB; the same with a fourth channel."""
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, self._place(*image.shape[:2])), np.uint8)

    def _place(self, height: int, width: int) -> ImageArray:
        needed = 4 * height * width
        if needed > self._memory.size:
            self._memory = np.empty(needed, np.uint8)
        return self._memory[:needed].reshape(height, width, 4)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        """Travel to another process empty."""
        return type(self), ()
