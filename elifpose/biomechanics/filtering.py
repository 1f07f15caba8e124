"""From noisy measurements to smooth ones: doubtful points out, short gaps filled, high frequencies off."""

import math
from collections import defaultdict
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from elifpose.biomechanics.points import BoolArray, FloatArray, check_fps, checked_keypoints
from elifpose.utils.errors import ElifPoseError

_Scalar = TypeVar("_Scalar", np.float64, np.bool_)


def gate_keypoints(keypoints: FloatArray, min_score: float = 0.3) -> FloatArray:
    """Take away the points that the network was not sure of.

    Args:
        keypoints: ``(T, 26, 3)``, image pixels and score.
        min_score: Points below it, or without a score, are missing. 0.3 is what Sports2D takes (Pagnon & Kim, 2024).

    Returns:
        ``(T, 26, 3)`` float64; NaN in x and y of a missing point, its score kept.

    Raises:
        ElifPoseError: If the array has another shape.
    """
    gated = checked_keypoints(keypoints)
    gated[~(gated[..., 2] >= min_score), :2] = np.nan
    return gated


def fill_gaps(values: FloatArray, fps: float, max_gap_s: float = 0.2) -> FloatArray:
    """Bridge short gaps by a straight line; a longer gap, and one at either end, stays.

    Args:
        values: ``(T, ...)``, any unit; each column over time has its own gaps, where it is not finite. Keypoints
            ``(T, 26, 3)`` may be given whole: a filled point keeps the score that it was gated by.
        fps: Frames per second.
        max_gap_s: Seconds that the longest gap to be bridged lasts.

    Returns:
        ``(T, ...)`` float64, NaN where still missing.

    Raises:
        ElifPoseError: If ``fps`` is not positive.
    """
    check_fps(fps)
    limit = math.floor(max_gap_s * fps + 1e-9)
    filled = np.array(values, dtype=np.float64, order="C")
    filled[~np.isfinite(filled)] = np.nan
    for column in _columns(filled).T:  # views, so that they are filled in place
        for start, stop in _stretches(np.isnan(column)):
            if start > 0 and stop < len(column) and stop - start <= limit:
                column[start:stop] = np.linspace(column[start - 1], column[stop], stop - start + 2)[1:-1]
    return filled


def butterworth_lowpass(values: FloatArray, fps: float, cutoff_hz: float = 6.0, order: int = 4) -> FloatArray:
    """Smooth without delay: a Butterworth low-pass, forwards and then backwards in time.

    Both passes together have the effective ``order`` and halve the amplitude at ``cutoff_hz`` (−3 dB each); the
    cut-off is not corrected for the second pass, as in Sports2D. 6 Hz suits walking (Winter, Biomechanics and Motor
    Control of Human Movement, 2009). Ends are continued by point reflection, as in ``scipy.signal.filtfilt``, which
    this equals. Each stretch without a gap is filtered by itself; one that is too short stays as it is (see
    `too_short_to_filter`).

    Args:
        values: ``(T, ...)``, any unit, equally spaced in time; NaN where missing.
        fps: Frames per second.
        cutoff_hz: Cut-off frequency of each pass.
        order: Effective order of both passes: even.

    Returns:
        ``(T, ...)`` float64, NaN where ``values`` are not finite.

    Raises:
        ElifPoseError: If ``fps`` is not positive, or the cut-off does not lie below half of it.
        ValueError: If ``order`` is not even and positive.
    """
    check_fps(fps)
    if order < 2 or order % 2:
        raise ValueError(f"the order of both passes together is even and positive, not {order}")
    if not 0 < cutoff_hz < fps / 2:
        raise ElifPoseError(
            f"a cut-off of {cutoff_hz:g} Hz cannot be had from {fps:g} frames per second: it must be positive and "
            "below half of that; choose a lower cut-off or record faster"
        )
    sections = _lowpass_sections(cutoff_hz / fps, order // 2)
    smooth = np.array(values, dtype=np.float64, order="C")
    smooth[~np.isfinite(smooth)] = np.nan
    columns = _columns(smooth)
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)  # columns that share a stretch go together, for speed
    for index, column in enumerate(columns.T):
        for stretch in _stretches(np.isfinite(column)):
            alike[stretch].append(index)
    for (start, stop), indices in alike.items():
        if stop - start >= _shortest_filtered(order):
            columns[start:stop, indices] = _both_ways(columns[start:stop, indices], sections, order)
    return smooth


def too_short_to_filter(values: FloatArray, order: int = 4) -> BoolArray:
    """Where `butterworth_lowpass` leaves values as they are: in stretches of fewer than 10 samples (at order 4).

    Args:
        values: ``(T, ...)``; NaN where missing.
        order: As given to `butterworth_lowpass`.

    Returns:
        ``(T, ...)``; False where ``values`` are missing.
    """
    short = np.zeros(np.shape(values), dtype=np.bool_)
    for seen, mask in zip(_columns(np.isfinite(values)).T, _columns(short).T, strict=True):
        for start, stop in _stretches(seen):
            mask[start:stop] = stop - start < _shortest_filtered(order)
    return short


class _Section(NamedTuple):
    """One recursive filter of second order: out = b0·in + b1·in₋₁ + b2·in₋₂ − a1·out₋₁ − a2·out₋₂."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


def _lowpass_sections(cutoff: float, order: int) -> list[_Section]:
    """A Butterworth low-pass of that order by the bilinear transform; ``cutoff`` in cycles per sample."""
    k = math.tan(math.pi * cutoff)
    sections = []
    for pair in range(order // 2):
        damping = 2.0 * math.sin(math.pi * (2 * pair + 1) / (2 * order))
        scale = 1.0 / (1.0 + damping * k + k * k)
        gain = k * k * scale
        sections.append(_Section(gain, 2 * gain, gain, 2 * (k * k - 1) * scale, (1 - damping * k + k * k) * scale))
    if order % 2:
        sections.append(_Section(k / (1 + k), k / (1 + k), 0.0, (k - 1) / (k + 1), 0.0))
    return sections


def _padding(order: int) -> int:
    """Samples that each end is continued by: three times the coefficients of one pass."""
    return 3 * (order // 2 + 1)


def _shortest_filtered(order: int) -> int:
    return _padding(order) + 1


def _both_ways(values: FloatArray, sections: list[_Section], order: int) -> FloatArray:
    """``(n, C)`` without gaps, filtered forwards and backwards."""
    pad = _padding(order)
    before = 2.0 * values[0] - values[pad:0:-1]
    after = 2.0 * values[-1] - values[-2 : -pad - 2 : -1]
    out = np.concatenate((before, values, after))
    for _ in range(2):
        for section in sections:
            out = _forwards(out, section)
        out = out[::-1]
    return out[pad:-pad]


def _forwards(values: FloatArray, section: _Section) -> FloatArray:
    """``(n, C)`` through one section, as though the first sample had been there for ever: the gain at 0 Hz is 1."""
    out = np.concatenate((values[:1], values[:1], values))
    driven = section.b0 * out[2:] + section.b1 * out[1:-1] + section.b2 * out[:-2]
    for n in range(len(values)):
        out[n + 2] = driven[n] - section.a1 * out[n + 1] - section.a2 * out[n]
    return out[2:]


def _columns(values: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """``(T, ...)`` as ``(T, C)``: a view, of an array in C order."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _stretches(mask: BoolArray) -> list[tuple[int, int]]:
    """Runs of True in ``(T,)``: first index, and one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
