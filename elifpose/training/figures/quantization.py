"""What few bits do: ranges against the values that go through them, and what each layer's quantization costs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elifpose.quantization import LayerError
from elifpose.training.quantization_points import PointValues
from elifpose.utils.drawing import GREY, MIDDLE, RIGHT, WIDTH, new_figure

IntArray = npt.NDArray[np.intp]
_WORST = 25
_LEAST_SHARE = 1e-6
_QUANTILES = (0.001, 0.25, 0.5, 0.75, 0.999)


def range_figure(points: Sequence[PointValues]) -> Figure:
    """Each point's range, what of it is used, and the share of values that it clips; a row per point.

    The range's width is on a logarithmic axis. The use of it is on an axis from the smallest code to the largest: all
    values as a line, 99.8 % of them as a light bar and half of them as a dark one, with the median and zero. A range
    that is mostly empty because of a few values has a light bar far shorter than its line.

    Args:
        points: One or more, in the network's order.
    """
    figure = new_figure(WIDTH, 1.2 + 0.15 * len(points))
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1, 2, 1))
    rows = np.arange(len(points))
    for axis in axes:
        _shade_parts(axis, [point.name for point in points])
    _draw_widths(axes[0], points, rows)
    _draw_use(axes[1], points, rows)
    _draw_clipped(axes[2], points, rows)
    axes[0].set_yticks(rows, [point.name for point in points], fontsize=6.5)
    axes[0].set_ylim(len(points) - 0.4, -0.6)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.xaxis.set_ticks_position("both")
        axis.tick_params(axis="x", labeltop=True, labelsize=8)
    return figure


def _draw_widths(axis: Axes, points: Sequence[PointValues], rows: IntArray) -> None:
    wide = [point.bits > 8 for point in points]
    axis.scatter(
        [point.width for point in points], rows, s=14, color=[RIGHT if is_wide else MIDDLE for is_wide in wide]
    )
    axis.set_xscale("log")
    axis.set_title("width of the range" + " (orange: 16 bits)" * any(wide), fontsize=10)
    axis.grid(axis="x", alpha=0.3)


def _draw_use(axis: Axes, points: Sequence[PointValues], rows: IntArray) -> None:
    """Values as shares of the range."""
    shares = np.array([_shares(point) for point in points])
    ends, (light, dark, median, darker, lighter), zero = shares[:, :2], shares[:, 2:7].T, shares[:, 7]
    axis.axvspan(0, 1, color=GREY, alpha=0.15, linewidth=0)
    axis.hlines(rows, ends[:, 0], ends[:, 1], color=GREY, linewidth=0.8)
    axis.barh(rows, lighter - light, 0.7, left=light, color=MIDDLE, alpha=0.35)
    axis.barh(rows, darker - dark, 0.7, left=dark, color=MIDDLE)
    axis.scatter(median, rows, s=9, color="black", marker="|", zorder=3)
    axis.scatter(zero, rows, s=7, color=RIGHT, zorder=3)
    axis.set_xlim(-0.15, 1.15)
    axis.set_xticks((0, 0.5, 1), ("smallest code", "middle", "largest code"))
    axis.set_title("values: all, 99.8 %, half, median (tick), zero (dot)", fontsize=10)


def _shares(point: PointValues) -> npt.NDArray[np.float64]:
    """Smallest and largest value, quantiles and zero, as shares of the range from its lower end."""
    values = (point.smallest, point.largest, *np.quantile(point.sample, _QUANTILES), 0.0)
    return (np.array(values) - point.low) / (point.width or 1.0)


def _draw_clipped(axis: Axes, points: Sequence[PointValues], rows: IntArray) -> None:
    clipped = np.array([point.clipped for point in points])
    axis.barh(rows, np.maximum(clipped - _LEAST_SHARE, 0), left=_LEAST_SHARE, color=MIDDLE)
    axis.set_xscale("log")
    axis.set_xlim(_LEAST_SHARE, 1)
    axis.set_title("share that is clipped", fontsize=10)
    axis.grid(axis="x", alpha=0.3)


def _shade_parts(axis: Axes, names: Sequence[str]) -> None:
    """Grey behind every second stage."""
    stages = [".".join(name.split(".")[:2]) for name in names]
    starts = [row for row, stage in enumerate(stages) if row == 0 or stage != stages[row - 1]]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(names)], strict=True)):
        if number % 2:
            axis.axhspan(start - 0.5, end - 0.5, color=GREY, alpha=0.08, linewidth=0)


def sensitivity_figure(errors: Sequence[LayerError]) -> Figure:
    """What the worst 25 layers cost: how far keypoints move with each quantized alone, and its signal to noise.

    Args:
        errors: One or more, worst first.
    """
    worst = errors[:_WORST]
    rows = np.arange(len(worst))
    figure = new_figure(WIDTH, 1.2 + 0.24 * len(worst))
    shift, noise = figure.subplots(1, 2, sharey=True)
    bars = shift.barh(rows, [error.mean_shift for error in worst], color=MIDDLE)
    shift.bar_label(bars, [f"{e.mean_shift:.3f} (max. {e.max_shift:.1f})" for e in worst], fontsize=8, padding=2)
    shift.set_xlim(0, max(1.5 * worst[0].mean_shift, 1e-3))
    shift.set_title("mean shift of keypoints, input pixels", fontsize=10)
    decibels = [error.signal_to_noise for error in worst]
    finite = np.isfinite(decibels)
    bars = noise.barh(rows, np.where(finite, decibels, 0.0), color=GREY)
    noise.bar_label(
        bars,
        [f"{value:.0f}" if ok else "–" for value, ok in zip(decibels, finite, strict=True)],
        fontsize=8,
        padding=2,
    )
    noise.set_title("signal to quantization noise of its output, dB", fontsize=10)
    noise.margins(x=0.12)
    shift.set_yticks(rows, [error.name for error in worst], fontsize=8)
    shift.set_ylim(len(worst) - 0.4, -0.6)
    for axis in (shift, noise):
        axis.spines[["top", "right"]].set_visible(False)
    return figure
