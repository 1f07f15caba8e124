"""The numbers of data sets as a picture, in which sets of different size are comparable."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from elifpose.datasets.statistics.counting import SIDES, SetStatistics
from elifpose.utils.drawing import new_figure

_BINS = 24
_MANY = 8  # people in an image; more share a place on the axis
_HEIGHTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SMALL = 8  # points


def statistics_figure(split: str, sets: Sequence[SetStatistics], keypoints: Sequence[str]) -> Figure:
    """Sizes, people per image and truncation of all sets, and for each set how many people have each keypoint.

    Everything is a share of the set's own people or images.

    Args:
        split: For the title.
        sets: One or more.
        keypoints: ``K`` names.
    """
    above, below = 2.9, 1.0 + 0.17 * len(keypoints)
    figure = new_figure(max(12.0, 2.0 + 1.25 * len(sets)), above + below + 0.7)
    names = [Patch(color=_color(position), label=of.name) for position, of in enumerate(sets)]
    title = f"{split}: {sum(of.people for of in sets):,} people. Shares are of each set's own people"
    figure.legend(handles=names, loc="outside upper center", ncols=6, title=title, title_fontsize=12, frameon=False)
    grid = figure.add_gridspec(2, 1, height_ratios=(above, below))
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    heights, sizes, crowds, cut = upper.subplots(1, 4)
    _draw_heights(heights, sets)
    keypoints_each = [of.keypoints_per_person for of in sets]
    _draw_numbers(sizes, "labelled keypoints of a person", keypoints_each, 0, len(keypoints))
    _draw_numbers(crowds, "people used in an image", [of.people_per_image for of in sets], 1, _MANY)
    crowds.set_ylabel("share of images", fontsize=_SMALL)
    crowds.set_xticks(range(1, _MANY + 1), [*map(str, range(1, _MANY)), f"≥ {_MANY}"])
    _draw_cut_off(cut, sets)
    _draw_keypoints(np.atleast_1d(lower.subplots(1, len(sets), sharey=True)), sets, keypoints)
    lower.supxlabel("share of people with the keypoint labelled; pale: labelled as hidden", fontsize=9)
    return figure


def _color(position: int) -> str:
    """One of matplotlib's ten."""
    return f"C{position % 10}"


def _draw_heights(axis: Axes, sets: Sequence[SetStatistics]) -> None:
    """Box heights in steps of equal ratio."""
    heights = [np.maximum(of.box_sizes[:, 1], 1.0) for of in sets]
    low, high = min(of.min() for of in heights) / 1.05, max(of.max() for of in heights) * 1.05
    edges = np.geomspace(low, high, _BINS + 1)
    for position, of in enumerate(heights):
        shares = np.histogram(of, edges)[0] / len(of)
        axis.plot(np.sqrt(edges[1:] * edges[:-1]), shares, color=_color(position), linewidth=1.4)
    axis.set_xscale("log")
    ticks = [tick for tick in (_HEIGHTS if high < 50 * low else _HEIGHTS[::3]) if low < tick < high]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    _finish(axis, "box height, image pixels")


def _draw_numbers(axis: Axes, label: str, of_sets: Sequence[npt.NDArray[np.int64]], least: int, most: int) -> None:
    """How often each whole number from ``least`` on occurs; those above ``most`` count as ``most``."""
    for position, numbers in enumerate(of_sets):
        shares = np.bincount(np.minimum(numbers, most), minlength=most + 1)[least:] / len(numbers)
        axis.plot(range(least, most + 1), shares, color=_color(position), linewidth=1.4, marker=".", markersize=4)
    _finish(axis, label)


def _draw_cut_off(axis: Axes, sets: Sequence[SetStatistics]) -> None:
    """Bars for each side of the image, and for any."""
    width = 0.8 / len(sets)
    for position, of in enumerate(sets):
        shares = [*of.cut_off.mean(axis=0), of.cut_off.any(axis=1).mean()]
        places = np.arange(len(shares)) + (position - (len(sets) - 1) / 2) * width
        axis.bar(places, shares, width, color=_color(position))
    axis.set_xticks(range(len(SIDES) + 1), [*SIDES, "any"])
    _finish(axis, "box cut off by the image")


def _finish(axis: Axes, label: str) -> None:
    axis.set_xlabel(label, fontsize=9)
    axis.set_ylabel("share of people", fontsize=_SMALL)
    axis.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.tick_params(labelsize=_SMALL)
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_keypoints(axes: npt.NDArray[np.object_], sets: Sequence[SetStatistics], keypoints: Sequence[str]) -> None:
    """A column of bars for each set: who has a keypoint labelled as visible, and on top of that as hidden."""
    places = np.arange(len(keypoints))
    for position, (axis, of) in enumerate(zip(axes, sets, strict=True)):
        labelled, hidden = of.labelled / of.people, of.hidden / of.people
        axis.barh(places, labelled - hidden, color=_color(position))
        axis.barh(places, hidden, left=labelled - hidden, color=_color(position), alpha=0.35)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
        axis.set_title(f"{of.name}\n{of.people:,} people", fontsize=_SMALL)
        axis.tick_params(labelsize=_SMALL)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.grid(axis="x", linewidth=0.4)
    axes[0].set_yticks(places, keypoints)
    axes[0].set_ylim(len(keypoints) - 0.4, -0.6)
