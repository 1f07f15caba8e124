import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.biomechanics.points import FloatArray
from elifpose.cli import main
from elifpose.export.contract import Contract, metadata
from elifpose.inference import command
from elifpose.inference.keypoint_files import read_keypoints, write_keypoints
from elifpose.inference.pose import TrackingSettings
from elifpose.inference.recording import Recording, Track
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26
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


@pytest.fixture
def analyse(capsys: pytest.CaptureFixture[str]) -> Analyse:
    """Type ``elifpose analyze`` and give all that it says."""

    def typed(*words: object, status: int = 0) -> str:
        found = main(["analyze", *map(str, words)])
        said = capsys.readouterr()
        assert found == status, said
        return said.out + said.err

    return typed


@pytest.fixture(scope="session")
def network(walk_keypoints: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported network that sees the first frame of the stored walk in every crop."""
    return write_network(tmp_path_factory.mktemp("network") / "pose.onnx", HALPE26, walk_keypoints[0, :, :2])


def write_network(path: Path, skeleton: Skeleton, places: FloatArray) -> Path:
    """A network that gives places ``(K, 2)``, fitted into the crop, whatever it sees; the score of a NaN is 0."""
    onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
    pytest.importorskip("onnxruntime", reason="needs elifpose[export]")
    from onnx import TensorProto, helper, numpy_helper

    size = (192, 256)
    contract = Contract(size, 2.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    lowest, highest = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    zoom = 0.8 * min(size / (highest - lowest))
    inputs = (places - (lowest + highest) / 2) * zoom + np.array(size) / 2
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["zero"]),
        helper.make_node("Unsqueeze", ["zero", "two_axes"], ["nothing"]),
    ]
    constants = {"none": np.zeros(1, np.float32), "two_axes": np.array([1, 2])}
    for axis, name in enumerate("xy"):
        bins = np.zeros((1, len(places), 2 * size[axis]), np.float32)
        for point, place in enumerate(inputs[:, axis]):
            if np.isfinite(place):
                bins[0, point, round(2 * place)] = 0.9
        constants[f"bins_{name}"] = bins
        nodes.append(helper.make_node("Add", ["nothing", f"bins_{name}"], [f"simcc_{name}"]))
    graph = helper.make_graph(
        nodes,
        "one posture",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size[1], size[0]])],
        [helper.make_tensor_value_info(f"simcc_{name}", TensorProto.FLOAT, None) for name in "xy"],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    codec = {"input_size": list(size), "split_ratio": 2.0}
    about = {"codec": codec, "calibration": None, "skeleton": skeleton.arguments()}
    helper.set_model_props(model, metadata(contract, about))
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "walk.mp4", 16)


def write_video(path: Path, frames: int) -> Path:
    """Noise, 160 x 120 pixels, 30 frames per second."""
    noise = np.random.default_rng(0).integers(0, 256, (frames, 120, 160, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120))
    for frame in noise:
        writer.write(frame)
    writer.release()
    return path


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


def test_bad_recordings_are_told_in_one_sentence(network: Path, tmp_path: Path, analyse: Analyse) -> None:
    write_video(tmp_path / "empty.mp4", 0)
    (tmp_path / "notes.mp4").write_text("no video")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((12, 16, 3), np.uint8))
    (tmp_path / "boxes.json").write_text("{")
    for words, message in (
        ((tmp_path / "empty.mp4",), "no frame that can be read"),
        ((tmp_path / "notes.mp4",), "no frame that can be read"),
        ((tmp_path / "gone.mp4",), "there is no video, picture or folder"),
        ((folder,), "give them by --fps"),
        ((folder, "--fps", 0), "--fps is 0"),
        ((folder, "--fps", 30, "--boxes", tmp_path / "boxes.json"), "boxes.json"),
        ((folder, "--fps", 30, "--detect_every", 0), "detect_every is 0"),
    ):
        said = analyse(*words, "--model", network, "--out", tmp_path / "out", status=1)
        assert message in said
        assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_bad_keypoints_are_told_in_one_sentence(reference: Path, tmp_path: Path, analyse: Analyse) -> None:
    walk = (reference / "sports2d_input_R_px.trc").read_text().split("\n")
    (tmp_path / "still.trc").write_text("\n".join([*walk[:2], re.sub(r"^\S+", "0", walk[2]), *walk[3:]]))
    (tmp_path / "broken.json").write_text('{"frames": [')
    nobody = Recording("nobody", 30.0, (100, 100), 2)
    write_keypoints(tmp_path / "nobody.json", nobody, [])
    (tmp_path / "taken").write_text("a file")
    for words, message in (
        (("--keypoints", tmp_path / "still.trc"), "says no frame rate"),
        (("--keypoints", tmp_path / "broken.json"), "is not JSON"),
        (("--keypoints", tmp_path / "nobody.json"), "holds no person"),
        (("--keypoints", tmp_path / "gone.json"), "there is no file"),
        (("--keypoints", reference / "sports2d_input_R_px.trc", "--muscles", "biceps"), "has no muscle 'biceps'"),
        (("--keypoints", reference / "sports2d_input_R_px.trc", "--body_height", -1), "height"),
        (("--keypoints", reference / "sports2d_input_R_px.trc", "--neutral_time", 50, 60), "from 50 to 60 s"),
    ):
        assert message in analyse(*words, "--out", tmp_path / "out", status=1)
    walk_path = reference / "sports2d_input_R_px.trc"
    assert "--out" in analyse("--keypoints", walk_path, "--out", tmp_path / "taken", status=1)
    assert not (tmp_path / "out").exists()


def test_networks_and_detectors_that_will_not_do_are_told(
    network: Path, video: Path, tmp_path: Path, analyse: Analyse, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_network(tmp_path / "coco.onnx", COCO17, np.arange(34.0).reshape(17, 2))
    assert "give --model FILE" in analyse(video, "--out", tmp_path / "out", status=1)
    said = analyse(video, "--model", other, "--out", tmp_path / "out", status=1)
    assert "17 keypoints" in said
    said = analyse(video, "--model", network, "--detector", tmp_path / "gone.onnx", status=1)
    assert said.endswith("gone.onnx; check the path\n")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "detector.onnx").touch()
    words = (video, "--model", network, "--detector", tmp_path / "detector.onnx", "--out", tmp_path / "out")
    assert "pip install 'elifpose[export]'" in analyse(*words, status=1)


def test_settings_are_judged_before_the_recording_is_looked_at(analyse: Analyse) -> None:
    said = analyse("gone.mp4", "--model", "gone.onnx", "--body_height", 175, status=1)
    assert said.startswith("elifpose: error: a body height of 175 is no person's")


def test_words_that_do_not_go_together_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    either, overlay = "give a recording, or keypoints by --keypoints", "--overlay draws on a recording"
    for words, message in (
        ([], either),
        (["walk.mp4", "--keypoints", "walk.json"], either),
        (["--keypoints", "walk.json", "--overlay"], overlay),
        (["0", "--model", "pose.onnx", "--overlay"], overlay),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["analyze", *words])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_help_says_what_the_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    assert "model estimates, not measurements" in capsys.readouterr().out
