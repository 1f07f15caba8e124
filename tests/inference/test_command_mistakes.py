"""What is said of recordings, keypoints and words that will not do."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import write_network, write_video

from elifpose.cli import main
from elifpose.inference.keypoint_files import write_keypoints
from elifpose.inference.recording import Recording
from elifpose.structures.skeletons import COCO17

Analyse = Callable[..., str]


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
        assert said.startswith("elifpose: error: ")  # no progress bar before it
        assert said.count("\n") == 1
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
    gone = tmp_path / "gone.onnx"
    for missing in (("--model", gone), ("--model", network, "--detector", gone)):
        said = analyse(video, *missing, status=1)
        assert said == f"elifpose: error: there is no ONNX file {gone}; check the path\n"
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
