"""CSV tables of angles, muscle-tendon lengths and keypoints: one row per frame, person and side."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from elifpose.inference.analysis import Analysis, SideAnalysis
from elifpose.inference.recording import FloatArray, Track
from elifpose.inference.text_files import ANGLES_CITATION, NOTE, cells, citation, write_lines
from elifpose.structures.skeletons import HALPE26

_KEYS = ("time_s", "frame", "person", "side")
_ENDING = ("valid", "reason")
ANGLES = ("hip_flexion_deg", "knee_flexion_deg", "ankle_dorsiflexion_deg")
"""Columns of `JointAngles`."""


def write_angles(path: Path, analyses: Sequence[Analysis]) -> None:
    """Filtered joint angles, degrees: flexion and dorsiflexion positive.

    The first line is a comment. ``valid`` is 1 where ``reason`` is empty; an empty cell is not known, and a cell with
    a number in a row that is not valid is to be looked at before use.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    rows = (_rows(analysis, leg, list(leg.angles), [3, 3, 3]) for analysis, leg in _legs(analyses))
    write_lines(path, _table(f"{NOTE}. {ANGLES_CITATION}", (*_KEYS, *ANGLES, *_ENDING), rows))


def write_lengths(path: Path, analyses: Sequence[Analysis]) -> None:
    """Muscle-tendon lengths; one model and one set of muscles in all ``analyses``.

    Of each muscle ``_norm`` (over the segment's median length, or in the model's own unit), ``_pct`` (% of neutral
    standing), ``_m`` (metres; empty without a body height) and ``_pct_per_s`` (velocity, % of neutral standing per
    second). Comment, ``valid`` and ``reason`` as in `write_angles`.

    Raises:
        ElifPoseError: If the file cannot be written.
        ValueError: If there is no analysis.
    """
    if not analyses:
        raise ValueError("a table of lengths needs at least one analysis, for its columns")
    settings = analyses[0].settings
    units = ("norm", "pct", "m", "pct_per_s")
    names = tuple(f"{muscle}_{unit}" for muscle in settings.muscles for unit in units)
    rows = (_rows(analysis, leg, _curves(leg), [5, 3, 5, 3] * len(leg.muscles)) for analysis, leg in _legs(analyses))
    write_lines(path, _table(f"{NOTE}. {citation(settings.model)}", (*_KEYS, *names, *_ENDING), rows))


def write_keypoints_table(path: Path, tracks: Sequence[Track]) -> None:
    """Keypoints as they were found: ``<name>_x``, ``_y`` in image pixels and ``_score``; frames without are left out.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    names = tuple(f"{point}_{what}" for point in HALPE26.keypoints for what in ("x", "y", "score"))
    write_lines(
        path, _table("keypoints in image pixels", ("time_s", "frame", "person", *names), map(_points, tracks))
    )


def _legs(analyses: Sequence[Analysis]) -> Iterator[tuple[Analysis, SideAnalysis]]:
    return ((analysis, leg) for analysis in analyses for leg in analysis.sides.values())


def _curves(leg: SideAnalysis) -> list[FloatArray | None]:
    curves = leg.muscles.values()
    return [values for curve in curves for values in (curve.normalised, curve.percent, curve.metres, curve.velocity)]


def _rows(
    analysis: Analysis, leg: SideAnalysis, columns: Sequence[FloatArray | None], decimals: Sequence[int]
) -> Iterator[Sequence[str]]:
    """Rows of one leg; a column of None is empty."""
    frames = len(leg.reasons)
    numbers = (
        [""] * frames if values is None else cells(values, digits)
        for values, digits in zip(columns, decimals, strict=True)
    )
    reasons = leg.reasons.tolist()
    times, person = cells(analysis.track.times_s, 6), str(analysis.track.person)
    for frame, (time, reason, *row) in enumerate(zip(times, reasons, *numbers, strict=True)):
        yield time, str(frame), person, leg.side, *row, "0" if reason else "1", reason


def _points(track: Track) -> Iterator[Sequence[str]]:
    """Rows of one person's keypoints."""
    columns = [
        cells(track.keypoints[:, point, part], 3 if part < 2 else 4)
        for point in range(HALPE26.num_keypoints)
        for part in range(3)
    ]
    for frame, (time, *row) in enumerate(zip(cells(track.times_s, 6), *columns, strict=True)):
        if any(row[index] for index in range(0, len(row), 3)):
            yield time, str(frame), str(track.person), *row


def _table(comment: str, names: Sequence[str], parts: Iterable[Iterable[Sequence[str]]]) -> Iterator[str]:
    """Lines of a CSV file: a comment, the names, the rows of all parts."""
    yield f"# {comment}"
    yield ",".join(names)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="")
    for rows in parts:
        for row in rows:
            writer.writerow(row)
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
