"""A contact sheet: crops with their keypoints, coloured by the person's side."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from elifpose.datasets.show.choosing import Shown
from elifpose.structures import PoseSample, Skeleton
from elifpose.utils.drawing import LEFT, MIDDLE, RIGHT, crop_grid, draw_links, show_crop, side_color
from elifpose.utils.errors import ElifPoseError

_SHEET, _NARROWEST, _WIDEST = 15.0, 2.1, 5.0  # inches: the sheet, and limits of a cell
_HEADER, _TITLE_LINES = 0.6, 3
_LARGEST = 600.0  # inches along a side, a little less than the canvas can hold
_POINT = 24.0  # area of a keypoint of weight 1, points squared
_LEGEND = (("the person's own left", LEFT), ("own right", RIGHT), ("middle", MIDDLE))


def contact_sheet(shown: Sequence[Shown], skeleton: Skeleton, heading: str, columns: int) -> Figure:
    """Draw samples; the area of a keypoint is its weight, and keypoints without weight are not drawn.

    Args:
        shown: One sample or more.
        skeleton: Of the keypoints; gives the links.
        heading: What the sheet shows.
        columns: Crops side by side.
    """
    columns = min(columns, len(shown))
    height, width = shown[0].sample.image.shape[:2]
    figure, axes = crop_grid(len(shown), columns, _cell_width(columns), height / width, _TITLE_LINES, _HEADER)
    weighted = any(np.any((of.sample.weights > 0) & (of.sample.weights != 1)) for of in shown)
    _draw_header(figure, f"{heading}; a point's area is its weight" if weighted else heading)
    colors = np.array([side_color(name) for name in skeleton.keypoints])
    link_colors = [link.color for link in skeleton.links]
    for axis, of in zip(axes, shown, strict=True):
        sample = of.sample
        drawn = sample.weights > 0
        points = np.where(drawn[:, None], sample.keypoints_input, np.nan).astype(np.float32)
        show_crop(axis, sample.image)
        draw_links(axis, points, skeleton.link_indices, link_colors, width=1.2)
        x, y = points[drawn].T
        areas = _POINT * np.clip(sample.weights[drawn], 0.2, 4.0)
        axis.scatter(x, y, s=areas, c=colors[drawn], edgecolors="white", linewidths=0.7, zorder=3)
        axis.set_title(_title(of), fontsize=8, pad=2, linespacing=1.1)
    return figure


def check_fits(crops: int, columns: int, input_size: tuple[int, int]) -> None:
    """`ElifPoseError` if so many crops of a width and height, in so many columns, are too large a picture to draw."""
    cell = _cell_width(columns)
    height = -(-crops // columns) * (cell * input_size[1] / input_size[0] + 1)
    if max(height, cell * columns) > _LARGEST:
        raise ElifPoseError(
            f"{crops:,} crops in {columns} columns are more than a picture holds; ask for fewer by --count, or change"
            " --columns"
        )


def _cell_width(columns: int) -> float:
    return float(np.clip(_SHEET / columns, _NARROWEST, _WIDEST))


def _draw_header(figure: Figure, heading: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.05 / width, 1 - 0.05 / height, heading, fontsize=10, va="top")
    dots = [Line2D([], [], color=color, marker="o", linestyle="", label=label) for label, color in _LEGEND]
    place = (0, 1 - 0.25 / height)
    figure.legend(
        handles=dots, loc="upper left", bbox_to_anchor=place, ncols=3, fontsize=10, frameon=False, columnspacing=1.0
    )


def _title(of: Shown) -> str:
    sample = of.sample
    mirrored = ", mirrored" if is_mirrored(sample) else ""
    beyond = count_outside(sample)
    outside = f", {beyond} outside" if beyond else ""
    return (
        f"{of.data_set}, person {sample.sample_index}\nimage {sample.image_id}{mirrored}"
        f"\n{np.count_nonzero(sample.weights)} keypoints{outside}"
    )


def is_mirrored(sample: PoseSample) -> bool:
    """Whether the crop shows the image mirrored: its matrix then turns the plane over."""
    return bool(np.linalg.det(sample.input_to_image[:, :2]) < 0)


def count_outside(sample: PoseSample) -> int:
    """How many keypoints with a weight lie outside the crop."""
    height, width = sample.image.shape[:2]
    points: npt.NDArray[np.float32] = sample.keypoints_input[sample.weights > 0]
    inside = (points >= -0.5) & (points <= (width - 0.5, height - 0.5))
    return int(np.count_nonzero(~inside.all(axis=1)))
