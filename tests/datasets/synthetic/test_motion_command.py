"""The command, and the files that it leaves."""

import argparse
import csv
import json
from pathlib import Path

import cv2
import numpy as np

from elifpose.datasets.synthetic.motion import Clip, perform
from elifpose.datasets.synthetic.motion_command import add_arguments, run


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_command_writes_a_video_keypoints_and_the_truth(tmp_path: Path) -> None:
    words = "--motion squat --seconds 0.4 --fps 10 --size 96 128 --facing left --seed 3 --out"
    files = run(parse(*words.split(), str(tmp_path / "new")))
    assert [path.name for path in files] == ["squat.mp4", "keypoints.json", "truth.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["keypoints.json", "squat.mp4", "truth.csv"]
    video = cv2.VideoCapture(str(tmp_path / "new" / "squat.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 10
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1])
    video.release()
    assert [picture.shape for picture in pictures] == [(128, 96, 3)] * 4
    document = json.loads((tmp_path / "new" / "keypoints.json").read_text())
    shown = perform(Clip("squat", 0.4, 10.0, size=(96, 128), facing="left", seed=3))
    stored = np.array([person["keypoints"] for person in document["annotations"]]).reshape(4, 26, 3)
    np.testing.assert_allclose(stored[..., :2], shown.keypoints, atol=6e-4)
    for person, points in zip(document["annotations"], shown.keypoints, strict=True):
        left, top, width, height = person["bbox"]
        inside = (points >= (left - 1, top - 1)) & (points <= (left + width, top + height))
        assert inside.all()
    with (tmp_path / "new" / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["side"]) for row in rows[:3]] == [("0", "left"), ("0", "right"), ("1", "left")]
    knees = [float(row["knee_flexion_deg"]) for row in rows if row["side"] == "left"]
    np.testing.assert_allclose(knees, shown.angles["left"].knee, atol=6e-4)


def test_defaults_are_a_walk_to_the_right_seen_side_on() -> None:
    arguments = parse()
    assert (arguments.motion, arguments.facing, arguments.yaw, arguments.size) == ("walk", "right", 0.0, (640, 480))
