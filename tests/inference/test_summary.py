import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.summary import asymmetry_percent, extent, write_summary

Analysed = Callable[..., Analysis]


def test_the_extent_is_that_of_known_values() -> None:
    assert extent(np.array([np.nan, 3.0, -1.0, np.nan])) == (-1.0, 3.0, 4.0)
    assert np.isnan(extent(np.full(3, np.nan))).all()
    assert np.isnan(extent(np.zeros(0))).all()


@pytest.mark.parametrize(("left", "right", "percent"), [(60, 60, 0), (66, 54, 20), (54, 66, -20), (10, 0, 200)])
def test_asymmetry_is_the_difference_over_the_mean(left: float, right: float, percent: float) -> None:
    assert asymmetry_percent(left, right) == pytest.approx(percent)


def test_asymmetry_of_what_is_not_known_is_not_known() -> None:
    assert np.isnan([asymmetry_percent(0, 0), asymmetry_percent(np.nan, 1.0)]).all()


def test_a_summary_says_how_it_was_made_and_what_came_out(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed(Settings(body_height_m=1.75))
    write_summary(tmp_path / "summary.json", analysis.recording, [analysis], "pose.onnx")
    text = (tmp_path / "summary.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    document = json.loads(text)
    assert document["note"] == "model estimate, not a measurement"
    assert document["pose_model"] == "pose.onnx"
    assert document["versions"].keys() == {"elifpose", "python", "numpy"}
    assert document["recording"]["fps"] == 30.0
    (person,) = document["people"]
    assert person["settings"]["cutoff_hz"] == 6.0
    assert "Hawkins" in person["model"]["citations"][0]
    assert person["warnings"] == list(analysis.warnings)
    left, right = (person["sides"][side] for side in ("left", "right"))
    assert left["reasons"] == {"foot not seen, gap longer than 0.2 s": 40}
    assert (left["valid_frames"], right["valid_frames"]) == (140, 180)
    assert len(right["strikes_s"]) > 3
    knee = analysis.sides["right"].angles.knee
    found = right["curves"]["knee_flexion_deg"]
    assert (found["minimum"], found["maximum"]) == (knee.min(), knee.max())
    expected = 100 * np.ptp(analysis.sides["left"].angles.knee) - 100 * np.ptp(knee)
    mean = (np.ptp(analysis.sides["left"].angles.knee) + np.ptp(knee)) / 2
    assert person["asymmetry_of_range_percent"]["knee_flexion_deg"] == pytest.approx(expected / mean)


def test_what_is_not_known_is_null(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed(Settings(sides=("right",)))
    leg = analysis.sides["right"]
    analysis.sides["right"] = leg._replace(angles=leg.angles._replace(hip=np.full(180, np.nan)))
    write_summary(tmp_path / "summary.json", analysis.recording, [analysis._replace(yaw_deg=float("nan"))], None)
    (person,) = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["people"]
    assert person["yaw_deg"] is None
    assert person["sides"]["right"]["curves"]["hip_flexion_deg"] == {"minimum": None, "maximum": None, "range": None}
    assert person["asymmetry_of_range_percent"] == {}
