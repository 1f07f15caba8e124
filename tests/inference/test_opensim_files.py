from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics.points import FloatArray
from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.opensim_files import read_trc, write_angles_mot, write_lengths_sto, write_trc
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

Analysed = Callable[..., Analysis]


def storage(path: Path) -> tuple[dict[str, str], dict[str, FloatArray]]:
    """Header and columns, read as strictly as OpenSim's old reader: by white space, numbers only."""
    text = path.read_text()
    head, body = text.split("\nendheader\n")
    facts = dict(line.split("=") for line in head.splitlines() if "=" in line)
    tokens = body.split()
    width, height = int(facts["nColumns"]), int(facts["nRows"])
    assert len(tokens) == width * (height + 1)
    table = np.array([float(token) for token in tokens[width:]]).reshape(height, width)
    assert np.isfinite(table).all()
    return facts, dict(zip(tokens[:width], table.T, strict=True))


@pytest.mark.parametrize("model", ["rajagopal2016", "gait2392"])
def test_angles_have_the_names_and_signs_of_opensim(analysed: Analysed, tmp_path: Path, model: str) -> None:
    analysis = analysed(Settings(sides=("right",)))
    write_angles_mot(tmp_path / "a.mot", analysis, "gait2392" if model == "gait2392" else "rajagopal2016")
    facts, columns = storage(tmp_path / "a.mot")
    assert (facts["inDegrees"], facts["version"]) == ("yes", "1")
    assert list(columns) == ["time", "hip_flexion_r", "knee_angle_r", "ankle_angle_r"]
    angles = analysis.sides["right"].angles
    sign = -1 if model == "gait2392" else 1
    np.testing.assert_allclose(columns["knee_angle_r"], sign * angles.knee, atol=1e-6)
    np.testing.assert_allclose(columns["ankle_angle_r"], angles.ankle, atol=1e-6)
    np.testing.assert_allclose(columns["time"], np.arange(180) / 30, atol=1e-6)


def test_frames_and_angles_that_are_not_known_are_left_out(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed()
    write_angles_mot(tmp_path / "a.mot", analysis)
    columns = storage(tmp_path / "a.mot")[1]
    np.testing.assert_allclose(columns["time"], np.delete(np.arange(180), range(60, 100)) / 30, atol=1e-6)
    left = analysis.sides["left"]
    hidden = left._replace(angles=left.angles._replace(ankle=np.full(180, np.nan)))
    write_angles_mot(tmp_path / "b.mot", analysis._replace(sides={**analysis.sides, "left": hidden}))
    columns = storage(tmp_path / "b.mot")[1]
    assert "ankle_angle_l" not in columns
    assert len(columns["time"]) == 180


def test_lengths_are_metres(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed(Settings(body_height_m=1.75))
    write_lengths_sto(tmp_path / "l.sto", analysis)
    facts, columns = storage(tmp_path / "l.sto")
    assert facts["inDegrees"] == "no"
    assert len(columns) == 1 + 2 * 8
    assert 0.3 < columns["gastrocnemius_medialis_r"].mean() < 0.6  # of somebody 1.75 m tall
    with pytest.raises(ElifPoseError, match="give the body height"):
        write_lengths_sto(tmp_path / "l.sto", analysed())


@pytest.mark.parametrize("letter", ["L", "R"])
def test_pixels_come_back_as_they_were(reference: Path, analysed: Analysed, tmp_path: Path, letter: str) -> None:
    markers = read_trc(reference / f"sports2d_input_{letter}_px.trc")
    assert (markers.fps, len(markers.names), len(markers.times_s)) == (30.0, 22, 180)
    track = analysed().track
    write_trc(tmp_path / "k_px.trc", track, 29.97)
    back = read_trc(tmp_path / "k_px.trc")
    assert back.fps == 29.97
    assert back.names[20:22] == ("LBigToe", "RBigToe")
    np.testing.assert_allclose(back.positions[..., :2], track.keypoints[..., :2], atol=1e-5)
    np.testing.assert_allclose(back.times_s, track.times_s, atol=1e-6)


@pytest.mark.parametrize("cells", ["\t\t", "nan\tnan\tnan", "0.0000\t0.0000\t0.0000"])
def test_markers_that_are_missing_are_not_at_the_corner(reference: Path, tmp_path: Path, cells: str) -> None:
    lines = (reference / "sports2d_input_R_px.trc").read_text().splitlines()
    row = lines[5].split("\t")
    lines[5] = "\t".join([*row[:5], cells, *row[8:]])
    (tmp_path / "x_px.trc").write_text("\n".join(lines))
    positions = read_trc(tmp_path / "x_px.trc").positions
    assert np.isnan(positions[0, 1]).all()
    assert np.isfinite(positions).sum() == positions.size - 3


def test_metres_stand_on_the_ground_with_the_head_up(analysed: Analysed, tmp_path: Path) -> None:
    analysis = analysed(Settings(body_height_m=1.75))
    write_trc(tmp_path / "k_m.trc", analysis.track, 30.0, analysis.pixels_per_metre)
    assert (tmp_path / "k_m.trc").read_text().splitlines()[2].split("\t")[4] == "m"
    back = read_trc(tmp_path / "k_m.trc")
    index = HALPE26.keypoints.index
    heights = back.positions[..., 1]
    assert np.nanmin(heights) == pytest.approx(0.0, abs=1e-5)
    assert 1.4 < np.nanmedian(heights[:, index("head")]) < 1.85
    assert (np.diff(back.positions[:, index("hip"), 0]) > 0).all()  # walks to the image's right
    right = [np.linalg.norm(back.positions[:, index(a)] - back.positions[:, index(b)], axis=1) for a, b in PAIRS]
    scale = analysis.pixels_per_metre
    for length, (a, b) in zip(right, PAIRS, strict=True):
        pixels = analysis.track.keypoints[:, index(a), :2] - analysis.track.keypoints[:, index(b), :2]
        np.testing.assert_allclose(length * scale, np.linalg.norm(pixels, axis=1), atol=0.01)


PAIRS = (("right_hip", "right_knee"), ("right_knee", "right_ankle"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "not a .trc file"),
        (lambda _: "a\nb\nc\n", "not a .trc file"),
        (lambda text: text.replace("DataRate", "Rate"), "DataRate"),
        (lambda text: "\n".join(text.splitlines()[:5]), "has no rows"),
        (lambda text: text.replace("1320.0000", "far"), "could not convert"),
        (lambda text: text + "180\t6.0\t" + "1.0\t" * 70, "has 73 cells, not 68"),
    ],
)
def test_what_is_no_trc_is_refused(
    reference: Path, tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = tmp_path / "x_px.trc"
    path.write_text(change((reference / "sports2d_input_R_px.trc").read_text()))
    with pytest.raises(ElifPoseError, match=message):
        read_trc(path)
