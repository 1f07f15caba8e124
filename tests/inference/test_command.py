import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import write_video

from elifpose.biomechanics.points import FloatArray
from elifpose.cli import main
from elifpose.inference import command
from elifpose.inference.following import TrackingSettings
from elifpose.inference.keypoint_files import read_keypoints, write_keypoints
from elifpose.inference.recording import Track
from elifpose.utils.errors import ElifPoseError

Analyse = Callable[..., str]

_ANGLES = ("hip_flexion_deg", "knee_flexion_deg", "ankle_dorsiflexion_deg")


def storage(path: Path) -> dict[str, FloatArray]:
    """Columns of a ``.mot`` or ``.sto`` file, read as OpenSim does: by white space, numbers only."""
    head, body = path.read_text().split("\nendheader\n")
    facts = dict(line.split("=") for line in head.splitlines() if "=" in line)
    width, tokens = int(facts["nColumns"]), body.split()
    table = np.array([float(token) for token in tokens[width:]]).reshape(int(facts["nRows"]), width)
    return dict(zip(tokens[:width], table.T, strict=True))


def angles(path: Path, side: str, person: int = 0) -> FloatArray:
    """Hip, knee and ankle of one leg in ``angles.csv``: ``(T, 3)`` degrees."""
    rows = csv.DictReader(line for line in path.read_text().splitlines() if not line.startswith("#"))
    wanted = [row for row in rows if (row["side"], row["person"]) == (side, str(person))]
    return np.array([[float(row[name] or "nan") for name in _ANGLES] for row in wanted])


def test_unfiltered_angles_of_given_keypoints_are_the_truth(
    reference: Path, tmp_path: Path, analyse: Analyse
) -> None:
    words = ("--cutoff_hz", 15, "--muscles", "soleus", "--out", tmp_path)
    assert "angles are not filtered" in analyse("--keypoints", reference / "sports2d_input_L_px.trc", *words)
    truth = np.loadtxt(reference / "sports2d_truth_L.csv", delimiter=",", skiprows=1)
    both = np.hstack([angles(tmp_path / "angles.csv", side) for side in ("right", "left")])
    np.testing.assert_allclose(both, truth[:, 1:], atol=1e-3)
    assert not [path for path in tmp_path.iterdir() if path.name in ("mtu_lengths.sto", "markers_m.trc")]
    assert "soleus_pct" in (tmp_path / "mtu.csv").read_text().splitlines()[1]


def test_given_keypoints_leave_everything_in_a_folder(reference: Path, tmp_path: Path, analyse: Analyse) -> None:
    source = reference / "sports2d_input_R_px.trc"
    words = (
        "--side",
        "right",
        "--body_height",
        1.75,
        "--neutral_time",
        0,
        1,
        "--model",
        "no.onnx",
        "--out",
        tmp_path,
    )
    assert str(tmp_path / "report.html") in analyse("--keypoints", source, *words)
    names = {"angles.csv", "angles.mot", "angles.png", "gait_cycle.png", "keypoints.csv", "keypoints.json"}
    names |= {"lengths.png", "markers_m.trc", "markers_px.trc", "mtu.csv", "mtu_lengths.sto", "report.html"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"summary.json", "velocity.png"}
    ours = angles(tmp_path / "angles.csv", "right")
    theirs = angles_of_sports2d(reference / "sports2d_angles_filtered_R.mot", "right")
    np.testing.assert_allclose(ours[30:-30], theirs[30:-30], atol=1e-3)
    mot = storage(tmp_path / "angles.mot")
    coordinates = [mot[name] for name in ("hip_flexion_r", "knee_angle_r", "ankle_angle_r")]
    np.testing.assert_allclose(np.stack(coordinates, axis=1), ours, atol=1e-3)
    assert 0.2 < storage(tmp_path / "mtu_lengths.sto")["soleus_r"].mean() < 0.4  # metres
    check_summary(tmp_path / "summary.json", source, ours)
    page = (tmp_path / "report.html").read_text()
    assert "Hawkins" in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", page)


def check_summary(path: Path, source: Path, found: FloatArray) -> None:
    told = json.loads(path.read_text())
    assert told["note"] == "model estimate, not a measurement"
    assert (told["recording"]["source"], told["recording"]["fps"]) == (str(source), 30)
    assert told["pose_model"] is None
    (person,) = told["people"]
    assert list(person["sides"]) == ["right"]
    assert person["facing"] == "right"
    assert person["settings"]["neutral_s"] == [0, 1]
    assert person["pixels_per_metre"] > 0
    assert "Hawkins" in person["model"]["citations"][0]
    hip = person["sides"]["right"]["curves"]["hip_flexion_deg"]
    assert (hip["minimum"], hip["maximum"]) == pytest.approx((found[:, 0].min(), found[:, 0].max()), abs=1e-3)


def angles_of_sports2d(path: Path, side: str) -> FloatArray:
    """Hip, knee and ankle of one leg, ``(T, 3)`` degrees."""
    lines = path.read_text().split("endheader\n")[1].splitlines()
    names = lines[0].split("\t")
    columns = [names.index(f"{side} {joint}") for joint in ("hip", "knee", "ankle")]
    return np.array([np.array(line.split("\t"))[columns] for line in lines[1:]], dtype=np.float64)


def test_several_people_have_a_folder_each_and_one_refused_does_not_harm(
    reference: Path, tmp_path: Path, analyse: Analyse
) -> None:
    recording, (track,) = read_keypoints(reference / "sports2d_input_R_px.trc")
    beside = track.keypoints + np.array([2000.0, 0.0, 0.0])
    unsure = track.keypoints * np.array([1.0, 1.0, 0.1])
    people = [Track(number, points, track.times_s, track.boxes) for number, points in enumerate((unsure, beside))]
    write_keypoints(tmp_path / "three.json", recording, [*people, track._replace(person=2)])
    said = analyse("--keypoints", tmp_path / "three.json", "--out", tmp_path / "out", "--muscles", "soleus")
    refusal = "person 0 is not analysed: no frame shows hip and knee"
    assert f"Note: {refusal}" in said
    assert any(
        refusal in told for told in json.loads((tmp_path / "out/summary.json").read_text())["recording"]["warnings"]
    )
    assert refusal[1:] in (tmp_path / "out/person_1/report.html").read_text()
    assert "Note: person 2: the left leg is away from the camera" in said
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"person_1", "person_2"}
    np.testing.assert_allclose(
        angles(tmp_path / "out/angles.csv", "right", 1), angles(tmp_path / "out/angles.csv", "right", 2), atol=1e-2
    )
    reports = [tmp_path / f"out/person_{number}/report.html" for number in (1, 2)]
    assert all(str(report) in said and report.is_file() for report in reports)
    write_keypoints(tmp_path / "one.json", recording, people[:1])
    said = analyse("--keypoints", tmp_path / "one.json", "--out", tmp_path / "none", status=1)
    assert refusal in said
    assert not (tmp_path / "none").exists()


def test_a_video_goes_all_the_way(
    network: Path, video: Path, reference: Path, tmp_path: Path, analyse: Analyse
) -> None:
    analyse(video, "--model", network, "--overlay", "--blur_faces", "--muscles", "soleus", "--out", tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["pose_model"] == str(network)
    assert network.name in (tmp_path / "report.html").read_text()
    assert (told["recording"]["frames"], told["recording"]["image_size"]) == (16, [160, 120])
    truth = np.loadtxt(reference / "sports2d_truth_R.csv", delimiter=",", skiprows=1)[0, 1:]
    found = np.hstack([angles(tmp_path / "angles.csv", side) for side in ("right", "left")])
    np.testing.assert_allclose(found, np.tile(truth, (16, 1)), atol=2.0)  # bins are half a pixel wide
    overlay = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert int(overlay.get(cv2.CAP_PROP_FRAME_COUNT)) == 16
    overlay.release()


def test_a_detector_is_asked_in_every_third_frame_and_boxes_in_each(
    network: Path, video: Path, tmp_path: Path, analyse: Analyse, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def note(_: object, __: object, ___: object, settings: TrackingSettings, *____: object) -> None:
        asked.append(settings.detect_every)
        raise ElifPoseError("enough")

    monkeypatch.setattr(command, "track_people", note)
    monkeypatch.setattr(command, "Detector", lambda path: path)
    monkeypatch.setattr(command, "BoxesFile", lambda path: path)
    for words in (("--detector", "a.onnx"), ("--detector", "a.onnx", "--detect_every", 8), ("--boxes", "a.json"), ()):
        analyse(video, "--model", network, "--out", tmp_path, *words, status=1)
    assert asked == [3, 8, 1, 1]


def test_two_frames_are_a_recording(network: Path, tmp_path: Path, analyse: Analyse) -> None:
    short = write_video(tmp_path / "two.mp4", 2)
    words = ("--model", network, "--no_frames", "--muscles", "soleus", "--side", "left", "--out", tmp_path / "out")
    assert "fewer than 10 frames in a row" in analyse(short, *words)
    assert len(angles(tmp_path / "out/angles.csv", "left")) == 2


def test_a_camera_is_looked_at_once_and_shows_angles_live(
    network: Path, video: Path, reference: Path, tmp_path: Path, analyse: Analyse, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, capture = list[object](), cv2.VideoCapture

    def camera(source: object) -> cv2.VideoCapture:
        opened.append(source)
        return capture(str(video))

    monkeypatch.setattr(cv2, "VideoCapture", camera)
    monkeypatch.setenv("COLUMNS", "80")
    words = ("--model", network, "--fps", 30, "--muscles", "soleus", "--side", "left", "--out", tmp_path)
    said = analyse("0", "--live", *words)
    assert opened == [0]
    degrees = np.genfromtxt(reference / "sports2d_truth_R.csv", delimiter=",", names=True)[0]
    shown = re.search(r"person 0: left (-?\d+)° (-?\d+)° (-?\d+)°", said)
    assert shown is not None, said
    expected = [degrees["lhip"], degrees["lknee"], degrees["lank"]]
    np.testing.assert_allclose([float(angle) for angle in shown.groups()], expected, atol=2.5)
    assert len(angles(tmp_path / "angles.csv", "left")) == 16
    assert json.loads((tmp_path / "summary.json").read_text())["recording"]["source"] == "0"


def test_help_says_what_the_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    assert "model estimates, not measurements" in capsys.readouterr().out
