"""Colour, blur and holes: what changes a crop's pixels and moves no keypoint, batched and on any device.

Every random number comes from one `torch.Generator` and is drawn before an image is touched: the ``draw_*`` functions
give the parameters, the functions after them apply them. With a generator on the CPU nothing waits for a GPU.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from elifpose.datasets.filters import box_blur, median_blur
from elifpose.utils.errors import ElifPoseError

_CPU_CHUNK = 4  # images whose colours fit into a core's cache as float32: up to five times faster than a whole batch


class Colours(NamedTuple):
    """A colour change per image, each ``(N,)`` float32; 0, 1, 1, 0 changes nothing."""

    brightness: Tensor
    """Added to every channel, grey levels."""
    contrast: Tensor
    """Factor on every channel, after the brightness."""
    saturation: Tensor
    """Factor on the distance from grey."""
    hue: Tensor
    """Turn of the colour circle, units of two degrees (OpenCV's); positive from red to green."""


def draw_colours(
    num_images: int,
    brightness: float,
    contrast: tuple[float, float],
    saturation: tuple[float, float],
    hue: float,
    prob: float,
    generator: torch.Generator,
) -> Colours:
    """Draw a colour change per image: each of the four uniform in its range, with probability ``prob`` each.

    Args:
        num_images: N.
        brightness: Largest change, grey levels.
        contrast: Smallest and largest factor.
        saturation: Smallest and largest factor.
        hue: Largest turn, units of two degrees.
        prob: Probability of each change.
        generator: Source of the draws; the result lies on its device.
    """
    chosen, uniform = torch.rand(2, 4, num_images, generator=generator, device=generator.device)
    ranges = ((-brightness, brightness), contrast, saturation, (-hue, hue))
    drawn = (low + (high - low) * row for (low, high), row in zip(ranges, uniform, strict=True))
    neutral = (0.0, 1.0, 1.0, 0.0)
    return Colours(*(value.where(row < prob, rest) for value, row, rest in zip(drawn, chosen, neutral, strict=True)))


def draw_kernel_sizes(num_images: int, sizes: tuple[int, ...], prob: float, generator: torch.Generator) -> Tensor:
    """Draw a filter's kernel size per image: ``(N,)`` int64, one of ``sizes`` with probability ``prob``, else 1."""
    chosen, uniform = torch.rand(2, num_images, generator=generator, device=generator.device)
    choices = torch.tensor(sizes, device=generator.device)
    return choices[(uniform * len(sizes)).long()].where(chosen < prob, 1)


def draw_holes(
    num_images: int, image_shape: tuple[int, int], side: tuple[float, float], prob: float, generator: torch.Generator
) -> Tensor:
    """Draw a rectangle inside each image.

    Args:
        num_images: N.
        image_shape: Height and width of the images, pixels.
        side: Smallest and largest height and width of the rectangle, as a part of the image's; rounded down.
        prob: Probability of a rectangle.
        generator: Source of the draws; the result lies on its device.

    Returns:
        ``(N, 4)`` int64, pixels: top, left, height, width. Where there is none, height and width are 0.
    """
    chosen, *uniform = torch.rand(5, num_images, generator=generator, device=generator.device)
    low, high = side
    tops_lefts, sizes = [], []
    for length, size, position in zip(image_shape, uniform[:2], uniform[2:], strict=True):
        sizes.append((length * (low + (high - low) * size)).long() * (chosen < prob))
        tops_lefts.append((position * (length - sizes[-1] + 1)).long())
    return torch.stack((*tops_lefts, *sizes), dim=1)


def colour_matrix(colours: Colours) -> tuple[Tensor, Tensor]:
    """A colour change as an affine map of RGB.

    Hue is a rotation about the grey axis and saturation a factor on the distance from it, both linear: red, green
    and blue change places at a third of a turn, as in HSV, but a bright colour may leave the range and is cut.

    Returns:
        ``(N, 3, 3)`` and ``(N, 3, 1)``: new = matrix · old + offset, grey levels.
    """
    grey = colours.contrast.new_full((3, 3), 1.0 / 3.0)
    chroma = torch.eye(3, device=grey.device) - grey
    quarter_turn = (chroma.roll(1, dims=0) - chroma.roll(-1, dims=0)) / math.sqrt(3.0)
    angle = torch.deg2rad(2.0 * colours.hue)[:, None, None]
    turned = torch.cos(angle) * chroma + torch.sin(angle) * quarter_turn
    contrast = colours.contrast[:, None, None]
    matrix = contrast * (grey + colours.saturation[:, None, None] * turned)
    return matrix, (contrast * colours.brightness[:, None, None]).expand(-1, 3, 1)


def apply_colours(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Map the colours of ``(N, 3, H, W)`` uint8 images by ``(N, 3, 3)`` and ``(N, 3, 1)``; rounded and cut."""
    mapped = torch.empty_like(images)
    step = _CPU_CHUNK if images.device.type == "cpu" else max(len(images), 1)
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 cannot tell 254 from 255
        for start in range(0, len(images), step):
            chunk = slice(start, start + step)
            colours = torch.bmm(matrix[chunk], images[chunk].flatten(2).float())
            colours.add_(offset[chunk] + 0.5).clamp_(0, 255)
            mapped[chunk] = colours.view_as(images[chunk])  # cuts what follows the point
    return mapped


def cut_holes(images: Tensor, holes: Tensor) -> Tensor:
    """Blacken rectangles ``(N, 4)`` (top, left, height, width; pixels) in ``(N, C, H, W)`` uint8 images."""
    top, left, height, width = holes.T[:, :, None]
    rows, columns = (torch.arange(length, device=images.device) for length in images.shape[2:])
    inside_rows = (rows >= top) & (rows < top + height)
    inside_columns = (columns >= left) & (columns < left + width)
    keep = ~(inside_rows[:, None, :, None] & inside_columns[:, None, None, :])
    return images.mul(keep)


@final
@dataclass(frozen=True)
class PhotometricAugment:
    """Random colours, blur and one hole per crop, on the device on which the crops lie.

    The defaults are the recipe of RTMPose. Colours change in stage 1 only; the hole is certain there and comes half
    of the time in stage 2.

    Args:
        colour_prob: Probability of each of the four colour changes.
        brightness: Largest change of brightness, grey levels.
        contrast: Smallest and largest factor on the grey levels.
        saturation: Smallest and largest factor on the distance from grey.
        hue: Largest turn of the colour circle, units of two degrees (OpenCV's).
        blur_prob: Probability of a box blur.
        median_prob: Probability of a median blur.
        kernel_sizes: Widths that either blur chooses from, pixels, odd.
        hole_prob: Probability of a hole in stage 1.
        hole_prob_stage2: Probability of a hole in stage 2.
        hole_side: Smallest and largest height and width of the hole, as a part of the crop's.

    Raises:
        ElifPoseError: If a probability lies outside [0, 1], a range is reversed or leaves what is allowed, or a
            kernel size is not odd.
    """

    colour_prob: float = 0.5
    brightness: float = 32.0
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: float = 18.0
    blur_prob: float = 0.1
    median_prob: float = 0.1
    kernel_sizes: tuple[int, ...] = (3, 5, 7)
    hole_prob: float = 1.0
    hole_prob_stage2: float = 0.5
    hole_side: tuple[float, float] = (0.2, 0.4)

    def __post_init__(self) -> None:
        for name in ("colour_prob", "blur_prob", "median_prob", "hole_prob", "hole_prob_stage2"):
            _check_range(name, (0.0, getattr(self, name)), 1.0)
        _check_range("brightness", (0.0, self.brightness), 255.0)
        _check_range("hue", (0.0, self.hue), 90.0)
        _check_range("contrast", self.contrast, math.inf)
        _check_range("saturation", self.saturation, math.inf)
        _check_range("hole_side", self.hole_side, 1.0)
        if not self.kernel_sizes or any(size < 1 or size % 2 == 0 for size in self.kernel_sizes):
            raise ElifPoseError(
                f"the augmentation's kernel_sizes is {self.kernel_sizes}; it must be a list of odd numbers from 1 on"
            )

    def __call__(self, images: Tensor, generator: torch.Generator, stage: int = 1) -> Tensor:
        """Change a batch of crops; the given one stays as it is.

        Args:
            images: ``(N, 3, H, W)`` uint8, RGB, contiguous or channels-last.
            generator: Source of all draws, on any device. On the CPU it lets the GPU run ahead.
            stage: 2 in the last epochs of the recipe.

        Returns:
            ``(N, 3, H, W)`` uint8, in the same memory format.
        """
        channels_last = images.is_contiguous(memory_format=torch.channels_last)
        planes = images.contiguous()  # whole planes run several times faster than interleaved colours
        if stage == 1:
            colours = draw_colours(
                len(images), self.brightness, self.contrast, self.saturation, self.hue, self.colour_prob, generator
            )
            planes = apply_colours(planes, *(part.to(images.device) for part in colour_matrix(colours)))
        for blur, prob in ((box_blur, self.blur_prob), (median_blur, self.median_prob)):
            planes = blur(planes, draw_kernel_sizes(len(images), self.kernel_sizes, prob, generator))
        hole_prob = self.hole_prob if stage == 1 else self.hole_prob_stage2
        holes = draw_holes(len(images), (images.shape[2], images.shape[3]), self.hole_side, hole_prob, generator)
        planes = cut_holes(planes, holes.to(images.device))
        return planes.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _check_range(name: str, values: tuple[float, float], largest: float) -> None:
    """Raise unless 0 ≤ low ≤ high ≤ largest, all finite."""
    low, high = values
    if not (0.0 <= low <= high <= largest and math.isfinite(high)):
        shown = values if name in ("contrast", "saturation", "hole_side") else high
        raise ElifPoseError(
            f"the augmentation's {name} is {shown}; it must lie from 0 to {largest:g}, the smaller value first"
        )
