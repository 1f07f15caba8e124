"""Blurs of chosen images of a batch, on any device.

Both are separable: they run along the columns, then along the rows. For the mean that is exact; the median of medians
is not the median of the square, but blurs alike at a cost that grows with the width, not with its square.
"""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor


def box_blur(images: Tensor, sizes: Tensor) -> Tensor:
    """Mean over squares; outside its border an image is mirrored, the border itself not repeated.

    Args:
        images: ``(N, C, H, W)`` uint8.
        sizes: ``(N,)`` int64, side of the square per image, odd; 1 changes nothing.

    Returns:
        ``(N, C, H, W)`` uint8, rounded; `images` itself where nothing is to be done.
    """
    return _filter_chosen(images, sizes, _mean_square)


def median_blur(images: Tensor, sizes: Tensor) -> Tensor:
    """Median over each column of a square, then over those: arguments and result as for `box_blur`."""
    return _filter_chosen(images, sizes, _median_square)


def _filter_chosen(images: Tensor, sizes: Tensor, square: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Apply a filter to those images whose size is above 1, all of one size at once."""
    by_size: dict[int, list[int]] = {}
    for index, size in enumerate(sizes.tolist()):
        by_size.setdefault(size, []).append(index)
    by_size.pop(1, None)
    if not by_size:
        return images
    filtered = images.clone()
    for size, indices in by_size.items():
        chosen = torch.tensor(indices).to(images.device, non_blocking=True)
        filtered[chosen] = square(images[chosen], size)
    return filtered


def _mean_square(images: Tensor, size: int) -> Tensor:
    """Mean over squares, rounded, uint8."""
    total = images.float()
    for dim in (2, 3):
        total = reduce(torch.add, _windows(total, size, dim))
    return (total / size**2 + 0.5).to(torch.uint8)


def _median_square(images: Tensor, size: int) -> Tensor:
    """Median over columns, then over rows."""
    for dim in (2, 3):
        images = _median(_windows(images, size, dim))
    return images


def _windows(images: Tensor, size: int, dim: int) -> list[Tensor]:
    """The images, shifted along one axis by −size // 2 … size // 2 pixels, mirrored at the border."""
    length, reach = images.shape[dim], size // 2
    positions = torch.arange(-reach, length + reach, device=images.device).abs()
    positions = (length - 1) - (length - 1 - positions).abs()
    padded = images.index_select(dim, positions)
    return [padded.narrow(dim, start, length) for start in range(size)]


def _median(values: list[Tensor]) -> Tensor:
    """Elementwise median of an odd number of tensors.

    Forgetful selection: of any h + 2 of 2h + 1 values, the smallest and the largest cannot be the median; drop
    both, take one more value, and go on until one is left. Minima and maxima of whole images are all it needs.
    """
    held, waiting = values[: len(values) // 2 + 2], values[len(values) // 2 + 2 :]
    while len(held) > 1:
        held = _without_extremes(held)
        held, waiting = held + waiting[:1], waiting[1:]
    return held[0]


def _without_extremes(values: list[Tensor]) -> list[Tensor]:
    """Drop the elementwise smallest and largest; what is left is in no order."""
    largest, rest = values[0], []
    for value in values[1:]:
        rest.append(torch.minimum(largest, value))
        largest = torch.maximum(largest, value)
    smallest, kept = rest[0], []
    for value in rest[1:]:
        kept.append(torch.maximum(smallest, value))
        smallest = torch.minimum(smallest, value)
    return kept
