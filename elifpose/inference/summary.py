"""What an analysis found, as JSON: how it was made, its limits, and least, greatest and range of each curve."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elifpose import __version__
from elifpose.biomechanics import muscle_model
from elifpose.inference.analysis import LARGEST_YAW, Analysis
from elifpose.inference.reasons import JOINT_RANGES, TOLERANCE, WORTH_A_WARNING
from elifpose.inference.recording import FloatArray, Recording
from elifpose.inference.tables import ANGLES
from elifpose.inference.text_files import ANGLES_CITATION, NOTE, write_lines


class Extent(NamedTuple):
    """What a curve covers, in its unit; NaN without a known value."""

    minimum: float
    maximum: float
    range: float


def extent(values: FloatArray) -> Extent:
    """Least and greatest of the known values of ``(T,)``, and the difference."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Extent(np.nan, np.nan, np.nan)
    return Extent(float(known.min()), float(known.max()), float(known.max() - known.min()))


def asymmetry_percent(left: float, right: float) -> float:
    """How much more the left leg does than the right: their difference in percent of their mean.

    The symmetry index of Robinson, Herzog & Nigg (J. Manipulative Physiol. Ther. 10, 1987), + where the left is
    larger. NaN where either is not known, or both are 0.
    """
    mean = (left + right) / 2.0
    return 100.0 * (left - right) / mean if mean else float("nan")


def curves(analysis: Analysis, side: str) -> dict[str, FloatArray]:
    """Each curve of one leg by its column in the tables, such as ``knee_flexion_deg`` or ``soleus_pct``."""
    leg = analysis.sides[side]
    angles = dict(zip(ANGLES, leg.angles, strict=True))
    return angles | {f"{muscle}_pct": curve.percent for muscle, curve in leg.muscles.items()}


def summary(recording: Recording, analyses: Sequence[Analysis], pose_model: str | None) -> dict[str, Any]:
    """All that is said of a recording: numbers, strings and None, ready for JSON.

    Args:
        recording: Where the keypoints come from.
        analyses: One per person.
        pose_model: What found the keypoints; None if they were given.
    """
    return {
        "note": NOTE,
        "recording": {**recording._asdict(), "warnings": list(recording.warnings)},
        "pose_model": pose_model,
        "versions": {"elifpose": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "limits": {
            "yaw_warning_deg": WORTH_A_WARNING,
            "yaw_refused_deg": LARGEST_YAW,
            "segment_tolerance": TOLERANCE,
            "joint_ranges_deg": JOINT_RANGES,
        },
        "people": [_person(analysis) for analysis in analyses],
    }


def write_summary(path: Path, recording: Recording, analyses: Sequence[Analysis], pose_model: str | None) -> None:
    """Write `summary` as JSON; what is not known is null.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    document = _without_nan(summary(recording, analyses, pose_model))
    write_lines(path, [json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)])


def _person(analysis: Analysis) -> dict[str, Any]:
    settings = analysis.settings
    model = muscle_model(settings.model)
    return {
        "person": analysis.track.person,
        "settings": settings._asdict(),
        "model": {"name": model.name, "unit": model.unit, "citations": [*model.citations, ANGLES_CITATION]},
        "muscles": {name: model.muscle(name).confidence for name in settings.muscles},
        "facing": "right" if analysis.facing == 1 else "left",
        "yaw_deg": analysis.yaw_deg,
        "pixels_per_metre": analysis.pixels_per_metre,
        "frames_with_legs_exchanged": int(analysis.swapped.sum()),
        "warnings": list(analysis.warnings),
        "sides": {side: _side(analysis, side) for side in analysis.sides},
        "asymmetry_of_range_percent": _asymmetry(analysis),
    }


def _side(analysis: Analysis, side: str) -> dict[str, Any]:
    leg = analysis.sides[side]
    texts = [reason for reasons in leg.reasons.tolist() if reasons for reason in reasons.split("; ")]
    return {
        "curves": {name: extent(values)._asdict() for name, values in curves(analysis, side).items()},
        "valid_frames": int((leg.reasons == "").sum()),
        "reasons": {reason: texts.count(reason) for reason in sorted(set(texts))},
        "strikes_s": analysis.track.times_s[leg.strikes].tolist(),
        "toe_offs_s": analysis.track.times_s[leg.toe_offs].tolist(),
    }


def _asymmetry(analysis: Analysis) -> dict[str, float]:
    """Of each curve's range; empty unless both legs were analysed."""
    if len(analysis.sides) < 2:
        return {}
    left, right = (curves(analysis, side) for side in ("left", "right"))
    return {name: asymmetry_percent(extent(left[name]).range, extent(right[name]).range) for name in left}


def _without_nan(value: Any) -> Any:
    """The same with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
