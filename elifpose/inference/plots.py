"""Figures of one analysed person: angles and lengths over time, over the gait cycle, and against velocity."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elifpose.biomechanics import normalise_cycles
from elifpose.inference.analysis import Analysis, SideAnalysis
from elifpose.inference.recording import FloatArray
from elifpose.inference.text_files import ANGLES_CITATION, NOTE, citation
from elifpose.utils.drawing import GREY, LEFT, RIGHT, WIDTH, Color, new_figure

JOINTS = {"hip": "hip flexion", "knee": "knee flexion", "ankle": "ankle dorsiflexion"}
"""What the angles of `JointAngles` are called."""
SIDE_COLORS: dict[str, Color] = {"left": LEFT, "right": RIGHT}

_COLUMNS = 2
_SMALL_PRINT = 210  # characters of a line
_LABELLED = 0.06  # of the time shown: a gap at least so wide says why within it


class Plot(NamedTuple):
    """A figure and what is said of it."""

    name: str
    """For a file, without its ending."""
    title: str
    caption: str
    figure: Figure


def plots(analysis: Analysis) -> list[Plot]:
    """All figures of one person; without two strikes of the same foot there is none of the gait cycle."""
    shown = [
        Plot(
            "angles",
            "Joint angles over time",
            "Flexion and dorsiflexion upwards. Thick: filtered; faint: as measured in each frame. Shaded: not known, "
            "and why. Marks at the lower edge: the heel strikes the ground.",
            angles_figure(analysis),
        ),
        Plot(
            "lengths",
            "Muscle-tendon lengths over time",
            f"In percent of the length in {_neutral(analysis)} (dashed). Shaded: not known.",
            lengths_figure(analysis),
        ),
    ]
    if any(len(side.strikes) > 1 for side in analysis.sides.values()):
        shown.append(
            Plot(
                "gait_cycle",
                "Gait cycle",
                "Mean of the strides without gaps, each from one heel strike (0 %) to the next of the same foot "
                "(100 %); the band is one standard deviation to either side.",
                cycles_figure(analysis),
            )
        )
    caption = "Clockwise loops over time. Above 0 the muscle-tendon unit lengthens, below it shortens."
    return [*shown, Plot("velocity", "Length against velocity", caption, velocity_figure(analysis))]


def muscle_title(name: str) -> str:
    """A muscle's name as people write it."""
    return name.replace("_", " ")


def angles_figure(analysis: Analysis) -> Figure:
    """Hip, knee and ankle over time, one below the other, both sides in each."""
    figure = new_figure(WIDTH, 8.0)
    axes = figure.subplots(len(JOINTS), 1, sharex=True)
    for axis, (joint, title) in zip(axes, JOINTS.items(), strict=True):
        for number, side in enumerate(analysis.sides.values()):
            color = SIDE_COLORS[side.side]
            angle = getattr(side.angles, joint)
            axis.plot(analysis.track.times_s, getattr(side.raw, joint), color=color, alpha=0.35, linewidth=0.8)
            axis.plot(analysis.track.times_s, angle, color=color, linewidth=1.8, label=side.side)
            _draw_gaps(axis, analysis, side, angle, number)
            _draw_strikes(axis, analysis, side)
        _finish(axis, analysis, f"{title} (°)")
        axis.axhline(0, color=GREY, linewidth=0.7)
    _name_sides(figure, axes[0])
    axes[-1].set_xlabel("time (s)")
    _small_print(figure, ANGLES_CITATION)
    return figure


def lengths_figure(analysis: Analysis) -> Figure:
    """Length of each muscle in % of neutral over time, both sides in each."""
    figure, axes = _grid(len(analysis.settings.muscles), 1.75, share_x=True)
    for axis, muscle in zip(axes, analysis.settings.muscles, strict=True):
        for number, side in enumerate(analysis.sides.values()):
            percent = side.muscles[muscle].percent
            axis.plot(analysis.track.times_s, percent, color=SIDE_COLORS[side.side], linewidth=1.5, label=side.side)
            _draw_gaps(axis, analysis, side, percent, number)
            _draw_strikes(axis, analysis, side)
        axis.axhline(100, color=GREY, linewidth=0.9, linestyle="--")
        axis.set_title(muscle_title(muscle), fontsize=10)
        _finish(axis, analysis, "% of neutral")
    _name_sides(figure, axes[0])
    for axis in axes[-_COLUMNS:]:
        axis.set_xlabel("time (s)")
        axis.tick_params(labelbottom=True)
    _small_print(figure, citation(analysis.settings.model))
    return figure


def cycles_figure(analysis: Analysis) -> Figure:
    """Mean and standard deviation of angles and muscles over the gait cycle, of sides with two strikes or more."""
    panels = [(title, "°", _angles(analysis, joint)) for joint, title in JOINTS.items()]
    for muscle in analysis.settings.muscles:
        percent = {side: leg.muscles[muscle].percent for side, leg in analysis.sides.items()}
        panels.append((muscle_title(muscle), "% of neutral", percent))
    figure, axes = _grid(len(panels), 1.9, columns=3)
    for axis, (title, unit, curves) in zip(axes, panels, strict=True):
        for side, values in curves.items():
            cycles = normalise_cycles(values, analysis.sides[side].strikes)
            cycles = cycles[np.isfinite(cycles).all(axis=1)]
            if len(cycles):
                _draw_band(axis, cycles, side)
        axis.set_title(title, fontsize=10)
        axis.set_ylabel(unit, fontsize=9)
        axis.set_xlim(0, 100)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(loc="best", fontsize=7)
    for axis in axes[-3:]:
        axis.set_xlabel("gait cycle (%)")
    _small_print(figure, citation(analysis.settings.model), ANGLES_CITATION)
    return figure


def velocity_figure(analysis: Analysis) -> Figure:
    """Velocity over length of each muscle, both sides in each."""
    figure, axes = _grid(len(analysis.settings.muscles), 2.1, columns=4)
    for axis, muscle in zip(axes, analysis.settings.muscles, strict=True):
        for side in analysis.sides.values():
            curve = side.muscles[muscle]
            axis.plot(curve.percent, curve.velocity, color=SIDE_COLORS[side.side], linewidth=0.9, label=side.side)
        axis.axhline(0, color=GREY, linewidth=0.7)
        axis.set_title(muscle_title(muscle), fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    for axis in axes[-4:]:
        axis.set_xlabel("length (% of neutral)", fontsize=8)
    _name_sides(figure, axes[0])
    figure.supylabel("velocity (% of neutral per second)", fontsize=9)
    _small_print(figure, citation(analysis.settings.model))
    return figure


def gaps(values: FloatArray, reasons: npt.NDArray[np.str_]) -> Iterator[tuple[int, int, str]]:
    """Stretches of ``(T,)`` without a value: first frame, one past the last, and the commonest reason in it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], ~np.isfinite(values), [0]))))
    for start, stop in edges.reshape(-1, 2):
        given = Counter(str(reason) for reason in reasons[start:stop] if reason)
        yield int(start), int(stop), given.most_common(1)[0][0] if given else "not known"


def _angles(analysis: Analysis, joint: str) -> dict[str, FloatArray]:
    """One joint's filtered angles by side."""
    return {side: getattr(leg.angles, joint) for side, leg in analysis.sides.items()}


def _draw_gaps(axis: Axes, analysis: Analysis, side: SideAnalysis, values: FloatArray, row: int) -> None:
    """Shade what is not known of a side, with the reason where it has room; each side writes in a row of its own."""
    times, step = analysis.track.times_s, 1 / analysis.recording.fps
    for start, stop, reason in gaps(values, side.reasons):
        first, last = times[start] - step / 2, times[stop - 1] + step / 2
        color = SIDE_COLORS[side.side]
        axis.axvspan(first, last, color=color, alpha=0.13, linewidth=0)
        if stop - start >= _LABELLED * len(values):
            text = f"{side.side}: {reason}"
            place = (max(first, times[0]), 0.97 - 0.13 * row)
            paper = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
            upper = axis.get_xaxis_transform()
            axis.text(*place, text, transform=upper, fontsize=7, va="top", clip_on=True, bbox=paper)


def _draw_strikes(axis: Axes, analysis: Analysis, side: SideAnalysis) -> None:
    times = analysis.track.times_s[side.strikes]
    lower_edge = axis.get_xaxis_transform()
    axis.vlines(times, 0, 0.07, color=SIDE_COLORS[side.side], linewidth=2.2, transform=lower_edge)


def _draw_band(axis: Axes, cycles: FloatArray, side: str) -> None:
    """Mean ± standard deviation of cycles ``(C, points)``; the band needs two."""
    mean, percent = cycles.mean(axis=0), np.linspace(0, 100, cycles.shape[1])
    label = f"{side}, {len(cycles)} {'stride' if len(cycles) == 1 else 'strides'}"
    axis.plot(percent, mean, color=SIDE_COLORS[side], linewidth=1.6, label=label)
    if len(cycles) > 1:
        spread = cycles.std(axis=0, ddof=1)
        axis.fill_between(percent, mean - spread, mean + spread, color=SIDE_COLORS[side], alpha=0.2, linewidth=0)


def _grid(count: int, row_height: float, columns: int = _COLUMNS, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with so many axes, row by row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(WIDTH, row_height * rows + 0.8)
    axes = list(figure.subplots(rows, columns, sharex=share_x, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def _finish(axis: Axes, analysis: Analysis, label: str) -> None:
    times = analysis.track.times_s
    axis.set_xlim(times[0], max(times[-1], times[0] + 1 / analysis.recording.fps))
    axis.set_ylabel(label, fontsize=9)
    axis.grid(alpha=0.3)


def _name_sides(figure: Figure, axis: Axes) -> None:
    """Say once, above all axes, which side has which colour."""
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=9, frameon=False)


def _small_print(figure: Figure, *sources: str) -> None:
    text = "\n".join(textwrap.fill(source, _SMALL_PRINT) for source in (f"{NOTE}: {sources[0]}", *sources[1:]))
    figure.supxlabel(text, x=0.99, ha="right", fontsize=6.5, color=GREY)


def _neutral(analysis: Analysis) -> str:
    """What 100 % is."""
    if analysis.settings.neutral_s is None:
        return "the model's neutral standing"
    start, stop = analysis.settings.neutral_s
    return f"quiet standing from {start:g} to {stop:g} s"
