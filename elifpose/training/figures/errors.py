"""How far keypoints are from the truth, over all and one by one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elifpose.evaluation.calibration import CORRECT_WITHIN
from elifpose.evaluation.per_keypoint import KeypointFigures
from elifpose.utils.drawing import GREY, MIDDLE, WIDTH, new_figure, side_color

_FARTHEST, _BINS = 0.3, 60


def error_figure(relative_distances: npt.NDArray[np.float64]) -> Figure:
    """Histogram of distances by the box's larger side; what lies beyond 0.3 is one bar of its own.

    Args:
        relative_distances: ``(N, K)`` or any shape, one number or more; NaN where not labelled.
    """
    distances = relative_distances[~np.isnan(relative_distances)]
    edges = np.linspace(0, _FARTHEST, _BINS + 1)
    shares = np.histogram(distances, edges)[0] / len(distances)
    beyond = float((distances > _FARTHEST).mean())
    median = float(np.median(distances))
    figure = new_figure(0.8 * WIDTH, 4.0)
    axis = figure.subplots()
    width = edges[1]
    axis.bar(edges[:-1], shares, width, align="edge", color=MIDDLE)
    overflow = axis.bar(_FARTHEST + 2 * width, beyond, 3 * width, align="edge", color=GREY)
    axis.bar_label(overflow, [f"> {_FARTHEST:g}\n{beyond:.1%}"], fontsize=9)
    axis.axvline(CORRECT_WITHIN, color="black", linestyle=":", label=f"PCK@{CORRECT_WITHIN:g} counts what is nearer")
    axis.axvline(min(median, _FARTHEST), color="tab:red", label=f"median {median:.3f}")
    axis.set_xlabel("distance from the truth / larger side of the person's box")
    axis.set_ylabel("share of keypoints")
    axis.set_title(f"Errors of {len(distances):,} labelled keypoints")
    axis.margins(y=0.15)
    axis.legend()
    return figure


def keypoint_figure(keypoints: Sequence[KeypointFigures]) -> Figure:
    """Bars of AP, PCK@0.1 and swaps for each keypoint, coloured by side.

    Args:
        keypoints: One or more; a figure of −1, over nothing, is a dash.
    """
    figure = new_figure(WIDTH, 1.0 + 0.24 * len(keypoints))
    axes = figure.subplots(1, 3, sharey=True)
    columns = {
        "AP of this keypoint alone": [of.average_precision for of in keypoints],
        f"PCK@{CORRECT_WITHIN:g}": [of.pck for of in keypoints],
        "swapped with the other side": [of.swapped for of in keypoints],
    }
    colors = [side_color(of.name) for of in keypoints]
    for axis, (title, values) in zip(axes, columns.items(), strict=True):
        axis.set_title(title, fontsize=10)
        _bars(axis, values, colors)
    axes[0].set_xlim(0, 1.15)
    axes[1].set_xlim(0, 1.15)
    axes[0].set_yticks(range(len(keypoints)), [of.name for of in keypoints], fontsize=9)
    axes[0].set_ylim(len(keypoints) - 0.4, -0.6)
    return figure


def _bars(axis: Axes, values: Sequence[float], colors: Sequence[tuple[float, float, float]]) -> None:
    bars = axis.barh(range(len(values)), [max(value, 0.0) for value in values], color=colors)
    axis.bar_label(bars, ["–" if value < 0 else f"{value:.3f}" for value in values], fontsize=8, padding=2)
    axis.set_xlim(0, max(1.15 * max(values), 0.05))
    axis.spines[["top", "right"]].set_visible(False)
