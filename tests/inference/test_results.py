from collections.abc import Callable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.frames import Frame
from elifpose.inference.results import People, flagged_frames, look_again, write_reports, write_tables

Analysed = Callable[..., Analysis]

_OF_ALL = {"angles.csv", "keypoints.csv", "keypoints.json", "mtu.csv", "summary.json"}
_OF_ONE = {"angles.mot", "markers_px.trc", "angles.png", "lengths.png", "velocity.png", "gait_cycle.png"}


def people_of(*analyses: Analysis) -> People:
    return People(analyses[0].recording, [analysis.track for analysis in analyses], analyses)


def frames_of(people: People, count: int) -> list[Frame]:
    width, height = people.recording.image_size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [Frame(number, number / people.recording.fps, noise) for number in range(count)]


def test_several_people_have_a_folder_each(analysed: Analysed, tmp_path: Path) -> None:
    one = analysed(Settings(sides=("right",), muscles=("soleus",)))
    both = people_of(one, one._replace(track=one.track._replace(person=4)))
    write_tables(tmp_path, both, None)
    assert {path.name for path in (tmp_path).iterdir()} == _OF_ALL | {"person_0", "person_4"}
    reports = write_reports(tmp_path, both, date(2026, 1, 2), {}, {})
    assert {path.name for path in (tmp_path / "person_4").iterdir()} == _OF_ONE | {"report.html"}
    assert reports == [tmp_path / "person_0/report.html", tmp_path / "person_4/report.html"]
    assert all("2026-01-02" in report.read_text() for report in reports)


def test_flagged_frames_are_the_middles_of_the_longest_stretches(analysed: Analysed) -> None:
    analysis = analysed()
    reasons = np.zeros(180, dtype="<U40")
    reasons[10:13] = reasons[50:70] = reasons[100:104] = "foot not seen"  # the longest is neither first nor last
    reasons[150:152] = "leg not seen"
    left = analysis.sides["left"]._replace(reasons=reasons)
    right = analysis.sides["right"]._replace(reasons=np.zeros(180, dtype="<U1"))
    flagged = flagged_frames(analysis._replace(sides={"left": left, "right": right}))
    assert flagged == {60: "left leg: foot not seen", 151: "left leg: leg not seen"}


def test_reasons_of_one_frame_are_told_together(analysed: Analysed) -> None:
    analysis = analysed()
    legs = {}
    for side, leg in analysis.sides.items():
        reasons = np.zeros(180, dtype="<U40")
        reasons[20:30] = "trunk not seen"
        legs[side] = leg._replace(reasons=reasons)
    assert flagged_frames(analysis._replace(sides=legs)) == {
        25: "left leg: trunk not seen; right leg: trunk not seen"
    }


@pytest.mark.parametrize("blur", [False, True])
def test_pictures_are_looked_at_once_more(analysed: Analysed, tmp_path: Path, blur: bool) -> None:
    analysis = analysed(frames=90)
    people = people_of(analysis)
    frames, told = frames_of(people, 90), list[int]()
    kept = look_again(frames, people, tmp_path, blur, told.append)
    assert told == list(range(1, 91))
    flagged = flagged_frames(analysis)
    assert flagged
    assert {picture.frame: picture.reason for picture in kept[0]} == flagged
    assert any((picture.image != frames[0].image).any() for picture in kept[0]) == blur
    video = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 90
    video.release()


def test_without_a_folder_no_video_is_written(analysed: Analysed, tmp_path: Path) -> None:
    people = people_of(analysed(frames=90))
    assert look_again(frames_of(people, 90), people, None, False, list[int]().append)[0]
    assert not list(tmp_path.iterdir())


def test_frames_beyond_the_recording_are_left_out(analysed: Analysed) -> None:
    people = people_of(analysed(frames=90))
    assert look_again(frames_of(people, 95), people, None, True, list[int]().append)[0]
