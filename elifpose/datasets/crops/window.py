"""Which part of an image is kept of a person, how finely, and which crops can be made from it.

Three frames meet here: *image pixels*, *kept pixels* (of the kept part, perhaps scaled down) and *input pixels*.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.utils.geometry import FloatArray, box_to_center_scale
from elifpose.utils.image import ImageArray

_SIDE = 2.0  # of the square, in heights of the padded box: room for what augmentation shifts, turns and enlarges
_DENSITY = 1.0  # kept pixels per input pixel of the crop without augmentation, at most
_LARGEST_ZOOM = 3.0  # input pixels per kept pixel, where the image itself has more


class Window(NamedTuple):
    """The part of an image that is kept of one person."""

    left: int
    """Image pixels, as the next three."""
    top: int
    width: int
    height: int
    kept_width: int
    """Kept pixels; smaller than ``width`` where the part is scaled down."""
    kept_height: int
    image_width: int
    """Image pixels."""
    image_height: int

    def cut(self, image: ImageArray) -> ImageArray:
        """The part ``(H_kept, W_kept, 3)`` of its image ``(H, W, 3)``."""
        part = image[self.top : self.top + self.height, self.left : self.left + self.width]
        if (self.kept_width, self.kept_height) == (self.width, self.height):
            return part
        kept_size = (self.kept_width, self.kept_height)
        return np.asarray(cv2.resize(part, kept_size, interpolation=cv2.INTER_AREA), np.uint8)

    def kept_to_input(self, image_to_input: FloatArray) -> FloatArray:
        """The map ``(2, 3)`` from kept pixels that crops the same as the one from image pixels.

        The centre of kept pixel u lies at ``left + (u + 0.5) · width / kept_width − 0.5`` of the image.
        """
        across, down = self.width / self.kept_width, self.height / self.kept_height
        x, y = self.left + 0.5 * across - 0.5, self.top + 0.5 * down - 0.5
        (xx, xy, to_x), (yx, yy, to_y) = image_to_input.tolist()
        return np.array(
            ((xx * across, xy * down, xx * x + xy * y + to_x), (yx * across, yy * down, yx * x + yy * y + to_y))
        )

    def serves(self, image_to_input: FloatArray, input_size: tuple[int, int]) -> bool:
        """Whether a crop from this part is as good as from the whole image.

        It is not where the crop reaches beyond the part without reaching beyond the image, or shows a scaled-down
        part at more than 3 times its size.

        Args:
            image_to_input: ``(2, 3)``, image pixels to input pixels.
            input_size: Width and height of the crop, pixels.
        """
        (xx, xy, _), (yx, yy, _) = image_to_input.tolist()
        ratio = max(self.width / self.kept_width, self.height / self.kept_height)
        if ratio > 1.0 and ratio * math.sqrt(abs(xx * yy - xy * yx)) > _LARGEST_ZOOM:
            return False
        margin = 0.5 * (ratio - 1.0)  # from the outermost image pixel's centre to the outermost kept pixel's
        left, top, right, bottom = seen_part(image_to_input, input_size)
        return _inside(left, right, self.left, self.width, self.image_width, margin) and _inside(
            top, bottom, self.top, self.height, self.image_height, margin
        )


def seen_part(to_input: FloatArray, input_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what a crop shows, about its outermost pixels' centres.

    Args:
        to_input: ``(2, 3)``, pixels of a picture to input pixels; the result is in the former.
        input_size: Width and height of the crop, pixels.
    """
    (xx, xy, x), (yx, yy, y) = to_input.tolist()
    determinant = xx * yy - xy * yx
    right, bottom = (input_size[0] - 1) / determinant, (input_size[1] - 1) / determinant
    across = (xy * y - yy * x) / determinant, yy * right, -xy * bottom
    down = (yx * x - xx * y) / determinant, -yx * right, xx * bottom
    return _least(*across), _least(*down), _most(*across), _most(*down)


def _least(start: float, first: float, second: float) -> float:
    """Where a parallelogram begins along an axis; builtins, for this runs for each sample."""
    return start + min(first, 0.0) + min(second, 0.0)


def _most(start: float, first: float, second: float) -> float:
    return start + max(first, 0.0) + max(second, 0.0)


def _inside(smallest: float, largest: float, low: int, size: int, whole: int, margin: float) -> bool:
    """Whether what lies between two numbers lies in a part of the image, or leaves it where the image ends."""
    return (low == 0 or smallest >= low + margin) and (low + size == whole or largest <= low + size - 1 - margin)


def find_windows(
    boxes: FloatArray, image_sizes: npt.NDArray[np.int32], input_size: tuple[int, int], padding: float
) -> npt.NDArray[np.int32]:
    """What is kept of each person: a square about the box, twice as high as the padded box, cut to the image.

    It is scaled down to the resolution that the crop has without augmentation, never up.

    Args:
        boxes: ``(S, 4)``, image pixels, left, top, width, height.
        image_sizes: ``(S, 2)``, width and height of each person's image.
        input_size: Width and height of the network's input, pixels.
        padding: Factor on the box.

    Returns:
        ``(S, 8)``, the fields of `Window`.
    """
    center, scale = box_to_center_scale(boxes, input_size, padding)
    height = scale[:, 1:]
    low = np.clip(np.floor(center - 0.5 * _SIDE * height), 0, image_sizes - 1)
    high = np.clip(np.ceil(center + 0.5 * _SIDE * height) + 1, low + 1, image_sizes)
    size = high - low
    kept = np.maximum(np.rint(size * np.minimum(1.0, _DENSITY * input_size[1] / height)), 1)
    return np.concatenate((low, size, kept, image_sizes), axis=1).astype(np.int32)
