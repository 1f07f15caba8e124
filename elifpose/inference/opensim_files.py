"""Files that OpenSim reads: ``.mot`` of angles, ``.sto`` of lengths, ``.trc`` of markers; and ``.trc`` read back."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from elifpose.biomechanics import opensim_coordinates
from elifpose.biomechanics.opensim import OpenSimModel
from elifpose.biomechanics.points import SIDES
from elifpose.inference.analysis import Analysis
from elifpose.inference.keypoint_names import marker_name
from elifpose.inference.recording import FloatArray, Track
from elifpose.inference.text_files import ANGLES_CITATION, NOTE, cells, citation, write_lines
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

_FEET = [index for index, name in enumerate(HALPE26.keypoints) if name.endswith(("_toe", "_heel", "_ankle"))]


class Markers(NamedTuple):
    """What a ``.trc`` file holds."""

    names: tuple[str, ...]
    positions: FloatArray
    """``(T, M, 3)``, unit of the file; NaN where missing."""
    times_s: FloatArray
    """``(T,)``."""
    fps: float


def write_angles_mot(path: Path, analysis: Analysis, model: OpenSimModel = "rajagopal2016") -> None:
    """Filtered angles under the names and signs of an OpenSim model, degrees.

    OpenSim reads numbers only: an angle that is never known has no column, and a frame in which one of the others is
    missing has no row, so that OpenSim interpolates over it.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    columns: dict[str, FloatArray] = {}
    for side in SIDES:
        if side in analysis.sides:
            columns |= opensim_coordinates(analysis.sides[side].angles, side, model)
    lines = _storage("Coordinates", columns, analysis.track.times_s, f"{NOTE}. {ANGLES_CITATION}", in_degrees=True)
    write_lines(path, lines)


def write_lengths_sto(path: Path, analysis: Analysis) -> None:
    """Muscle-tendon lengths in metres, columns such as ``soleus_r``; rows and columns as in `write_angles_mot`.

    Raises:
        ElifPoseError: If no body height was given, or the file cannot be written.
    """
    columns = {
        f"{muscle}_{side[0]}": curve.metres
        for side, leg in analysis.sides.items()
        for muscle, curve in leg.muscles.items()
        if curve.metres is not None
    }
    if not columns:
        raise ElifPoseError("lengths in metres need the person's height: give the body height")
    note = f"{NOTE}. {citation(analysis.settings.model)}"
    write_lines(path, _storage("Lengths", columns, analysis.track.times_s, note, in_degrees=False))


def write_trc(path: Path, track: Track, fps: float, pixels_per_metre: float | None = None) -> None:
    """Markers named as Pose2Sim does (``RBigToe``); an empty cell where one is not known.

    In image pixels, y down, as Sports2D's ``_px.trc``; with a scale in metres as OpenSim wants them: x to the image's
    right from its left edge, y up from the lowest point that a foot reaches, z 0. The camera is taken as level.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    positions = np.zeros((len(track.keypoints), len(HALPE26.keypoints), 3))
    positions[..., :2] = track.keypoints[..., :2]
    if pixels_per_metre is not None:
        heights = positions[..., 1]
        seen = heights[:, _FEET] if np.isfinite(heights[:, _FEET]).any() else heights
        heights -= np.nanmax(seen, initial=-np.inf)
        positions[..., :2] *= np.array([1.0, -1.0]) / pixels_per_metre
    positions[~np.isfinite(positions[..., :2]).all(axis=-1)] = np.nan
    names = [marker_name(name) for name in HALPE26.keypoints]
    unit = "px" if pixels_per_metre is None else "m"
    write_lines(path, _trc(path.name, names, positions, track.times_s, fps, unit))


def read_trc(path: Path) -> Markers:
    """Markers of a ``.trc`` file.

    Empty cells, ``nan`` and points at exactly (0, 0) are missing.

    Raises:
        ElifPoseError: If the file is not one, or its rows do not fit its header.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    try:
        keys, facts = (line.rstrip("\t").split("\t") for line in lines[1:3])
        fps = float(dict(zip(keys, facts, strict=False))["DataRate"])
        names = tuple(name.strip() for name in lines[3].split("\t")[2:] if name.strip())
        rows = [line.rstrip("\n").split("\t") for line in lines[5:] if line.strip()]
        width = 2 + 3 * len(names)
        table = np.array([[float(cell) if cell.strip() else np.nan for cell in _fitted(row, width)] for row in rows])
    except (ValueError, KeyError, IndexError) as error:
        raise ElifPoseError(
            f"{path} is not a .trc file that can be read ({error}): five lines of header with DataRate and marker "
            "names are needed, then rows of frame, time and three numbers per marker, all separated by tabs"
        ) from error
    if not names or not rows:
        raise ElifPoseError(f"{path} has no {'rows' if names else 'markers'}: give a file with some")
    positions = table[:, 2:].reshape(len(rows), len(names), 3)
    positions[(positions[..., :2] == 0).all(axis=-1)] = np.nan
    return Markers(names, positions, table[:, 1], fps)


def _fitted(row: list[str], width: int) -> list[str]:
    """Cells of a row: empty ones at its end may be cut off or too many."""
    if any(cell.strip() for cell in row[width:]):
        raise ValueError(f"the row of frame {row[0]} has {len(row)} cells, not {width}")
    return (row + [""] * width)[:width]


def _storage(
    name: str, columns: Mapping[str, FloatArray], times_s: FloatArray, note: str, *, in_degrees: bool
) -> Iterator[str]:
    """Lines of a ``.mot`` or ``.sto`` file."""
    known = {column: values for column, values in columns.items() if np.isfinite(values).any()}
    complete = np.all([np.isfinite(values) for values in known.values()], axis=0) & np.isfinite(times_s)
    cut = [cells(values[complete], 6) for values in (times_s, *known.values())]
    yield from (name, "version=1", f"nRows={len(cut[0])}", f"nColumns={len(cut)}")
    yield from (f"inDegrees={'yes' if in_degrees else 'no'}", "", note, "", "endheader")
    yield "\t".join(("time", *known))
    yield from map("\t".join, zip(*cut, strict=True))


def _trc(
    title: str, names: list[str], positions: FloatArray, times_s: FloatArray, fps: float, unit: str
) -> Iterator[str]:
    """Lines of a ``.trc`` file."""
    frames = len(positions)
    yield f"PathFileType\t4\t(X/Y/Z)\t{title}"
    yield "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"
    yield f"{fps:.9g}\t{fps:.9g}\t{frames}\t{len(names)}\t{unit}\t{fps:.9g}\t1\t{frames}"
    yield "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t"
    yield "\t\t" + "\t".join(f"{axis}{index}" for index in range(1, len(names) + 1) for axis in "XYZ")
    times = cells(times_s, 6)
    for frame, (time, row) in enumerate(zip(times, positions.reshape(frames, -1), strict=True), 1):
        yield "\t".join((str(frame), time, *cells(row, 5)))
