"""What all pictures share: a canvas, the colours of the body's sides, and people in their crops."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from elifpose.utils.errors import ElifPoseError

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]
Color = tuple[float, float, float]

WIDTH = 11.0
"""Inches at 100 dots each: as wide as a dashboard shows a picture without shrinking it."""
LEFT: Color = (0.0, 200 / 255, 80 / 255)
RIGHT: Color = (1.0, 128 / 255, 0.0)
MIDDLE: Color = (51 / 255, 153 / 255, 1.0)
GREY: Color = (0.55, 0.55, 0.55)

_GAP, _LINE = 0.08, 0.15  # inches: between crops, of a line of the title


def new_figure(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure of so many inches that draws itself in memory.

    Args:
        width: Inches of 100 dots.
        height: Inches.
        arranged: Whether axes are put where they and their labels have room; else the caller says where.
    """
    figure = Figure(figsize=(width, height), layout="constrained" if arranged else None)
    FigureCanvasAgg(figure)
    return figure


def pixels(figure: Figure) -> ImageArray:
    """The figure as ``(H, W, 3)`` RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's stubs lack it
    return np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]  # type: ignore[no-untyped-call]


def check_picture_path(path: Path) -> None:
    """`ElifPoseError` unless a path ends as a picture does: known before any work is done."""
    if path.suffix.lower() != ".png":
        raise ElifPoseError(f"--out: {path} does not end in .png; give a name that does")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG at 100 dots per inch; folders are made. `ElifPoseError` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100, format="png")
    except OSError as error:
        raise ElifPoseError(f"--out: {path} cannot be written ({error.strerror}); give another name") from error


def side_color(keypoint: str) -> Color:
    """Green for the person's own left, orange for the right, blue for the middle: as the skeletons' links have it."""
    return {"left": LEFT, "right": RIGHT}.get(keypoint.split("_")[0], MIDDLE)


def crop_grid(
    count: int, columns: int, cell_width: float, aspect: float, title_lines: int = 0, header: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure with axes for crops, row by row, each with room for a title above.

    Args:
        count: How many crops, one or more.
        columns: Side by side, at most.
        cell_width: Inches of a crop with the gap beside it.
        aspect: Height of a crop by its width.
        title_lines: Lines of 8 points that a title has.
        header: Inches left free at the top.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    crop_width = cell_width - _GAP
    crop_height = crop_width * aspect
    cell_height = crop_height + _GAP + _LINE * title_lines
    width, height = cell_width * columns, cell_height * rows + header
    figure = new_figure(width, height, arranged=False)
    axes = []
    for number in range(count):
        row, column = divmod(number, columns)
        left, top = (column * cell_width + _GAP / 2) / width, header + (row + 1) * cell_height - _GAP / 2
        axes.append(figure.add_axes((left, 1 - top / height, crop_width / width, crop_height / height)))
    return figure, axes


def show_crop(axis: Axes, image: ImageArray) -> None:
    """Show a crop ``(H, W, 3)``, RGB, without a frame; coordinates of the axis are input pixels."""
    height, width = image.shape[:2]
    axis.imshow(image)
    axis.set(xticks=[], yticks=[], frame_on=False)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)


def draw_links(
    axis: Axes,
    keypoints: FloatArray,
    ends: Sequence[tuple[int, int]],
    colors: Sequence[tuple[int, int, int]],
    width: float = 1.4,
) -> None:
    """Draw lines between keypoints; one with an end that is not finite is left out.

    Args:
        axis: Where.
        keypoints: ``(K, 2)``, the axis' coordinates.
        ends: Of each line, the positions of its two keypoints.
        colors: Of each line, RGB, 0 to 255.
        width: Of a line, points.
    """
    lines = keypoints[np.array(ends, np.intp).reshape(-1, 2)]
    drawn = np.isfinite(lines).all(axis=(1, 2))
    of_lines = np.array(colors).reshape(-1, 3)[drawn] / 255
    axis.add_collection(LineCollection(list(lines[drawn]), colors=of_lines, linewidths=width), autolim=False)
