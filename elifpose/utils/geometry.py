"""From a person's box to the network's input and back: boxes, centres, scales and affine matrices.

Frames: *image pixels* are those of the picture as read, *input pixels* those of the crop that the network sees.
Pixel centres are integers in both: x = 0 is the middle of the first column. Arrays are NumPy, float64.
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

AREA_OF_BOX = 0.53
"""A person's area as a share of the box, where a file has no area: what top-down evaluation commonly assumes."""


def box_to_center_scale(
    box_xywh: FloatArray, input_size: tuple[int, int], padding: float = 1.25
) -> tuple[FloatArray, FloatArray]:
    """Centre and padded, aspect-fixed size of a person's box.

    The box grows by ``padding`` and then along one axis until it has the input's aspect ratio; nothing shrinks.

    Args:
        box_xywh: ``(..., 4)``, image pixels, left, top, width, height.
        input_size: Width and height of the network's input, pixels.
        padding: Factor on the box's width and height.

    Returns:
        Centre ``(..., 2)`` and scale (width, height of the region) ``(..., 2)``, image pixels.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    center = box[..., :2] + box[..., 2:] * 0.5
    return center, fix_aspect_ratio(box[..., 2:] * padding, input_size)


def fix_aspect_ratio(scale: FloatArray, input_size: tuple[int, int]) -> FloatArray:
    """Enlarge ``(..., 2)`` widths and heights along one axis to the aspect ratio of ``input_size``."""
    aspect = input_size[0] / input_size[1]
    width, height = scale[..., 0], scale[..., 1]
    return np.stack((np.maximum(width, height * aspect), np.maximum(height, width / aspect)), axis=-1)


def image_to_input_matrix(
    center: FloatArray | tuple[float, float],
    scale: FloatArray | tuple[float, float],
    input_size: tuple[int, int],
    rotation: float = 0.0,
    flip: bool = False,
) -> FloatArray:
    """The one affine map of an augmented crop: mirror, rotate and scale about the person's centre.

    The centre goes to ``(W/2, H/2)`` of the input and the region's width to the input's width, as RTMPose's
    recipe has it (its "top-down affine" without UDP). Mirroring the whole image first, x → W_image − 1 − x, and
    the centre with it, gives the same crop: the image's width cancels.

    Args:
        center: ``(2,)``, image pixels.
        scale: ``(2,)``, width and height of the region, image pixels; its aspect ratio is the input's.
        input_size: Width and height of the input, pixels.
        rotation: Degrees, counter-clockwise as seen (y points down), applied after the mirroring.
        flip: Mirror left and right.

    Returns:
        ``(2, 3)``: image pixels to input pixels.
    """
    x, y, width = float(center[0]), float(center[1]), float(scale[0])
    angle, zoom = math.radians(rotation), input_size[0] / width
    cos, sin, mirror = zoom * math.cos(angle), zoom * math.sin(angle), -1.0 if flip else 1.0
    xx, xy, yx, yy = mirror * cos, sin, mirror * -sin, cos
    return np.array(
        ((xx, xy, input_size[0] * 0.5 - (xx * x + xy * y)), (yx, yy, input_size[1] * 0.5 - (yx * x + yy * y)))
    )


def invert_affine(matrix: FloatArray) -> FloatArray:
    """Inverse of ``(..., 2, 3)`` affine matrices."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate((linear, -linear @ matrix[..., 2:]), axis=-1)


def apply_affine(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Map points ``(..., P, 2)`` by matrices ``(..., 2, 3)``."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]
