import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.tables import write_angles, write_keypoints_table, write_lengths
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

Analysed = Callable[..., Analysis]


def rows(path: Path) -> tuple[str, list[dict[str, str]]]:
    """The comment and the rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        comment = file.readline()
        return comment, list(csv.DictReader(file, strict=True))


def test_angles_are_written_with_empty_cells_and_reasons(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed()
    write_angles(tmp_path / "angles.csv", [analysis])
    comment, table = rows(tmp_path / "angles.csv")
    assert comment.startswith("# model estimate, not a measurement")
    assert "Pagnon" in comment
    assert list(table[0]) == [
        *("time_s", "frame", "person", "side"),
        *("hip_flexion_deg", "knee_flexion_deg", "ankle_dorsiflexion_deg", "valid", "reason"),
    ]
    assert [row["side"] for row in table] == ["left"] * 180 + ["right"] * 180
    np.testing.assert_allclose([float(row["time_s"]) for row in table[:180]], np.arange(180) / 30, atol=1e-6)
    knee = [float(row["knee_flexion_deg"]) for row in table[180:]]
    np.testing.assert_allclose(knee, analysis.sides["right"].angles.knee, atol=5e-4)
    assert table[70]["ankle_dorsiflexion_deg"] == ""
    assert (table[70]["valid"], table[70]["reason"]) == ("0", "foot not seen, gap longer than 0.2 s")
    assert (table[10]["valid"], table[10]["reason"]) == ("1", "")


def test_lengths_have_four_columns_a_muscle(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed(Settings(body_height_m=1.75, muscles=("soleus", "rectus_femoris")))
    write_lengths(tmp_path / "mtu.csv", [analysis, analysis._replace(track=analysis.track._replace(person=3))])
    comment, table = rows(tmp_path / "mtu.csv")
    assert "not a measurement" in comment
    assert "Hawkins" in comment
    assert [name for name in table[0] if name.startswith("soleus")] == [
        f"soleus_{unit}" for unit in ("norm", "pct", "m", "pct_per_s")
    ]
    assert [row["person"] for row in table[::360]] == ["0", "3"]
    curve = analysis.sides["right"].muscles["soleus"]
    for unit, values in zip(("norm", "pct", "m", "pct_per_s"), curve, strict=True):
        assert values is not None
        np.testing.assert_allclose([float(row[f"soleus_{unit}"]) for row in table[180:360]], values, atol=5e-4)
    assert table[70]["soleus_pct"] == ""
    assert float(table[70]["rectus_femoris_pct"]) > 50


def test_metres_are_empty_without_a_height(analysed: Analysed, tmp_path: Path) -> None:
    write_lengths(tmp_path / "mtu.csv", [analysed()])
    assert {row["soleus_m"] for row in rows(tmp_path / "mtu.csv")[1]} == {""}


def test_keypoints_leave_out_frames_without_the_person(analysed: Analysed, tmp_path: Path) -> None:
    track = analysed().track
    track.keypoints[3:5, :, :2] = np.nan
    write_keypoints_table(tmp_path / "keypoints.csv", [track])
    _, table = rows(tmp_path / "keypoints.csv")
    assert [int(row["frame"]) for row in table] == [frame for frame in range(180) if frame not in (3, 4)]
    place = HALPE26.keypoints.index("right_heel")
    expected = np.delete(track.keypoints[:, place], [3, 4], axis=0)
    for part, name in enumerate(("x", "y", "score")):
        found = [float(row[f"right_heel_{name}"]) for row in table]
        np.testing.assert_allclose(found, expected[:, part], atol=5e-4)


def test_a_folder_that_is_not_there_is_told(analysed: Analysed, tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="cannot be written"):
        write_angles(tmp_path / "none/angles.csv", [analysed()])
