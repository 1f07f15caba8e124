"""What all figures share: a canvas, the colours of the body's sides, and a person in a crop."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from elifpose.structures.skeleton import Skeleton

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]
Color = tuple[float, float, float]

WIDTH = 11.0
"""Inches at 100 dots each: as wide as a dashboard shows a picture without shrinking it."""
LEFT: Color = (0.0, 200 / 255, 80 / 255)
RIGHT: Color = (1.0, 128 / 255, 0.0)
MIDDLE: Color = (51 / 255, 153 / 255, 1.0)
GREY: Color = (0.55, 0.55, 0.55)


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


def side_color(keypoint: str) -> Color:
    """Green for the person's own left, orange for the right, blue for the middle: as the skeletons' links have it."""
    return {"left": LEFT, "right": RIGHT}.get(keypoint.split("_")[0], MIDDLE)


def show_crop(axis: Axes, image: ImageArray) -> None:
    """Show a crop ``(H, W, 3)``, RGB, without a frame; coordinates of the axis are input pixels."""
    height, width = image.shape[:2]
    axis.imshow(image)
    axis.set(xticks=[], yticks=[], frame_on=False)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)


def draw_links(axis: Axes, keypoints: FloatArray, skeleton: Skeleton, width: float = 1.4) -> None:
    """Draw the skeleton's links between keypoints ``(K, 2)``; a link with an end that is not finite is left out."""
    ends = keypoints[np.array(skeleton.link_indices, np.intp).reshape(-1, 2)]
    drawn = np.isfinite(ends).all(axis=(1, 2))
    colors = np.array([link.color for link in skeleton.links]).reshape(-1, 3)[drawn] / 255
    axis.add_collection(LineCollection(list(ends[drawn]), colors=colors, linewidths=width), autolim=False)
