import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.biomechanics.points import FloatArray
from elifpose.inference.analysis import Analysis
from elifpose.inference.keypoint_files import read_keypoints, write_keypoints
from elifpose.inference.opensim_files import write_trc
from elifpose.inference.recording import Recording, Track
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.utils.errors import ElifPoseError

Analysed = Callable[..., Analysis]


def people(frames: int = 12) -> tuple[Recording, list[Track]]:
    """Two people: one is away for some frames, one has points that are not seen."""
    draws = np.random.default_rng(0)
    tracks = []
    for person in (0, 3):
        keypoints = draws.uniform(1.0, 400.0, (frames, 26, 3)).round(3)
        keypoints[..., 2] = draws.uniform(0.0, 1.0, (frames, 26)).round(4)
        boxes = draws.uniform(1.0, 300.0, (frames, 4)).round(2)
        tracks.append(Track(person, keypoints, np.arange(frames) / 25.0, boxes))
    tracks[0].keypoints[2:5], tracks[0].boxes[2:5] = np.nan, np.nan
    tracks[0].keypoints[2:5, :, 2] = 0.0
    tracks[1].keypoints[:, 20:26] = (np.nan, np.nan, 0.0)
    return Recording("walk.mp4", 25.0, (640, 480), frames, ("the frame rate varies",)), tracks


def test_people_come_back_as_they_were(tmp_path: Path) -> None:
    recording, tracks = people()
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    found, back = read_keypoints(tmp_path / "keypoints.json")
    assert found == recording
    for ours, theirs in zip(tracks, back, strict=True):
        assert ours.person == theirs.person
        for name in ("keypoints", "times_s", "boxes"):
            np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=1e-9, err_msg=name)


def test_the_layout_is_that_of_coco(tmp_path: Path) -> None:
    recording, tracks = people()
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    document = json.loads((tmp_path / "keypoints.json").read_text())
    images = {image["id"] for image in document["images"]}
    (category,) = document["categories"]
    assert category["keypoints"] == list(HALPE26.keypoints)
    assert max(max(link) for link in category["skeleton"]) <= 26
    numbers = [person["id"] for person in document["annotations"]]
    assert len(set(numbers)) == len(numbers) == 9 + 12
    assert min(numbers) == 1
    for person in document["annotations"]:
        assert person["image_id"] in images
        assert person["category_id"] == category["id"]
        assert len(person["keypoints"]) == 78
        assert person["num_keypoints"] == (26 if person["track_id"] == 0 else 20)


def test_nobody_is_written_but_not_read(tmp_path: Path) -> None:
    write_keypoints(tmp_path / "keypoints.json", people()[0], [])
    assert len(json.loads((tmp_path / "keypoints.json").read_text())["images"]) == 12
    with pytest.raises(ElifPoseError, match="holds no person"):
        read_keypoints(tmp_path / "keypoints.json")


def test_points_are_found_by_name_in_another_skeleton(tmp_path: Path) -> None:
    """COCO's 17 points in reverse order; neck and hip centre are put into the middle."""
    recording, tracks = people()
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    document = json.loads((tmp_path / "keypoints.json").read_text())
    document["categories"][0]["keypoints"] = list(COCO17.keypoints[::-1])
    for person in document["annotations"]:
        points = np.reshape(person["keypoints"], (26, 3))[:17]
        person["keypoints"] = points[::-1].ravel().tolist()
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(document))
    found, back = read_keypoints(path)
    np.testing.assert_allclose(back[0].keypoints[:, :17], tracks[0].keypoints[:, :17])
    assert np.isnan(back[0].keypoints[:, 20:, :2]).all()
    hips = tracks[0].keypoints[:, [11, 12], :2].mean(axis=1)
    np.testing.assert_allclose(back[0].keypoints[:, HALPE26.keypoints.index("hip"), :2], hips)
    assert sum("in the middle of" in sentence for sentence in found.warnings) == 2


def test_a_person_without_a_box_is_still_json(tmp_path: Path) -> None:
    recording, tracks = people()
    tracks[1].boxes[:] = np.nan
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    assert "NaN" not in (tmp_path / "keypoints.json").read_text()


def test_people_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    recording, tracks = people()
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    document = json.loads((tmp_path / "keypoints.json").read_text())
    for person in document["annotations"]:
        del person["track_id"]
    (tmp_path / "other.json").write_text(json.dumps(document))
    with pytest.raises(ElifPoseError, match="two people of track_id 0"):
        read_keypoints(tmp_path / "other.json")


def test_a_given_frame_rate_replaces_the_files(tmp_path: Path) -> None:
    recording, tracks = people()
    write_keypoints(tmp_path / "keypoints.json", recording, tracks)
    found, back = read_keypoints(tmp_path / "keypoints.json", fps=50.0)
    assert found.fps == 50.0
    np.testing.assert_allclose(back[0].times_s, np.arange(12) / 50.0)


def frames_of(keypoints: FloatArray, **more: Any) -> str:
    return json.dumps({"frames": np.nan_to_num(keypoints).reshape(len(keypoints), -1).tolist(), **more})


def test_a_list_of_frames_is_one_person(tmp_path: Path) -> None:
    track = people()[1][1]
    path = tmp_path / "halpe26.json"
    path.write_text(frames_of(track.keypoints))
    recording, (back,) = read_keypoints(path, fps=60.0)
    assert (recording.fps, recording.frames) == (60.0, 12)
    np.testing.assert_allclose(back.keypoints, track.keypoints)
    np.testing.assert_allclose(back.times_s, np.arange(12) / 60.0)
    seen = track.keypoints[:, :20, :2]
    np.testing.assert_allclose(back.boxes[:, :2], seen.min(axis=1))
    np.testing.assert_allclose(back.boxes[:, :2] + back.boxes[:, 2:], seen.max(axis=1))
    assert recording.image_size >= tuple(seen.max(axis=(0, 1)))
    with pytest.raises(ElifPoseError, match="says no frame rate"):
        read_keypoints(path)


def test_markers_of_sports2d_are_one_person(reference: Path, analysed: Analysed, walk_keypoints: FloatArray) -> None:
    recording, (track,) = read_keypoints(reference / "sports2d_input_R_px.trc")
    assert recording.fps == 30.0
    assert not recording.warnings
    legs = slice(11, 26)
    np.testing.assert_allclose(track.keypoints[:, legs, :2], walk_keypoints[:, legs, :2])
    assert (track.keypoints[:, 11:, 2] == 1).all()
    assert np.isnan(track.keypoints[:, 1:5, :2]).all()  # eyes and ears, which the file has not


@pytest.mark.parametrize(
    ("renamed", "used"),
    [
        ({"LBigToe": "left_big_toe"}, True),
        ({"Hip": "CHip"}, True),
        ({"LKnee": "l knee"}, True),
        ({"Nose": "C7"}, False),
    ],
)
def test_markers_of_other_names_are_mapped_or_told(
    reference: Path, tmp_path: Path, renamed: dict[str, str], used: bool
) -> None:
    text = (reference / "sports2d_input_R_px.trc").read_text()
    for old, new in renamed.items():
        text = text.replace(f"\t{old}\t", f"\t{new}\t")
    path = tmp_path / "x_px.trc"
    path.write_text(text)
    recording, (track,) = read_keypoints(path)
    same = read_keypoints(reference / "sports2d_input_R_px.trc")[1][0]
    start = 0 if used else 1
    np.testing.assert_array_equal(track.keypoints[:, start:], same.keypoints[:, start:])
    assert recording.warnings == (() if used else ("markers that are not used: C7",))


def test_markers_of_no_leg_are_refused_with_the_known_names(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "x_px.trc"
    path.write_text((reference / "sports2d_input_R_px.trc").read_text().replace("Knee", "Patella"))
    with pytest.raises(ElifPoseError, match="LKnee, RKnee"):
        read_keypoints(path)


def test_markers_in_metres_are_refused(analysed: Analysed, tmp_path: Path) -> None:
    write_trc(tmp_path / "k_m.trc", analysed().track, 30.0, 300.0)
    with pytest.raises(ElifPoseError, match=r"_px\.trc"):
        read_keypoints(tmp_path / "k_m.trc")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("k.json", "", "is not JSON"),
        ("k.json", "[]", "neither 'annotations'"),
        ("k.json", "{}", "neither 'annotations'"),
        ("k.json", '{"frames": []}', "does not hold|no point"),
        ("k.json", '{"frames": [[1, 2, 3]]}', "does not hold keypoints as they are expected"),
        ("k.json", '{"frames": [["a"]]}', "does not hold keypoints as they are expected"),
        ("k.json", '{"annotations": [{"image_id": 0}]}', "does not hold keypoints as they are expected"),
        ("k.trc", "", "is not a .trc file"),
        ("k.csv", "x", "neither .json nor .trc"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ElifPoseError, match=message):
        read_keypoints(tmp_path / name, fps=30.0)


def test_nothing_known_anywhere_and_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text(frames_of(np.zeros((5, 26, 3))))
    with pytest.raises(ElifPoseError, match="holds no point"):
        read_keypoints(tmp_path / "k.json", fps=30.0)
    with pytest.raises(ElifPoseError, match="there is no file"):
        read_keypoints(tmp_path / "none.json")
