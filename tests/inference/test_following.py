import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from spots import IMAGE_SIZE, spotted, write_brightest

from elifpose.inference.detector import BoxesFile, Detections, WholeFrame
from elifpose.inference.following import TrackingSettings, track_people
from elifpose.inference.frames import Frame, FrameSource, open_source
from elifpose.inference.pose import PoseRunner
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray


def path_of(who: int, frame: int) -> tuple[float, float]:
    """Where a spot is: one to the right, one to the left below it."""
    return (30.0 + 4 * frame, 30.0) if who == 0 else (130.0 - 4 * frame, 90.0)


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder of 24 frames with two spots, the second of which is seen from frame 4 to 20, boxes, and a network."""
    folder = tmp_path_factory.mktemp("spots")
    (folder / "frames").mkdir()
    records = []
    for frame in range(24):
        people = [0, 1] if 4 <= frame <= 20 else [0]
        cv2.imwrite(str(folder / f"frames/{frame}.png"), spotted(*((*path_of(who, frame), 220) for who in people)))
        for who in people:
            x, y = path_of(who, frame)
            records.append({"image_id": frame, "bbox": [x - 12, y - 22, 30, 40], "score": 0.9 - 0.1 * who})
    records.append({"image_id": 7, "bbox": [0, 80, 20, 40], "score": 0.5})  # nobody
    (folder / "boxes.json").write_text(json.dumps(records))
    return folder / "frames", folder / "boxes.json", write_brightest(folder / "pose.onnx")


def test_people_are_followed_through_a_recording(spots: tuple[Path, Path, Path]) -> None:
    frames, boxes, network = spots
    counted: list[int] = []
    pose = PoseRunner(network, threads=1)
    recording, tracks = track_people(open_source(frames, 24.0), BoxesFile(boxes), pose, progress=counted.append)
    assert recording[:4] == (str(frames), 24.0, IMAGE_SIZE, 24)
    assert recording.warnings == (*pose.warnings, "1 person seen for less than 0.5 s is left out")
    assert counted == list(range(1, 25))
    assert [track.person for track in tracks] == [0, 1]
    for track in tracks:
        true = np.array([path_of(track.person, frame) for frame in range(24)])
        seen = slice(None) if track.person == 0 else slice(4, 21)
        assert track.keypoints.shape == (24, 26, 3)
        assert np.abs(track.keypoints[seen, :, :2] - true[seen, None]).max() < 2.0
        assert track.boxes[seen, :2] == pytest.approx(true[seen] - (12, 22))
        assert track.times_s == pytest.approx(np.arange(24) / 24)
    unseen = [*range(4), 21, 22, 23]
    assert np.isnan(tracks[1].keypoints[unseen, :, :2]).all()
    assert (tracks[1].keypoints[unseen, :, 2] == 0).all()
    assert np.isnan(tracks[1].boxes[unseen]).all()


class Counted:
    """Boxes of a file, and which frames they were asked for."""

    def __init__(self, boxes: BoxesFile) -> None:
        self._boxes = boxes
        self.asked: list[int] = []

    def __call__(self, frame: Frame) -> Detections:
        """The boxes of a frame."""
        self.asked.append(frame.number)
        return self._boxes(frame)


def test_between_detections_people_are_followed_by_what_is_known(spots: tuple[Path, Path, Path]) -> None:
    frames, boxes, network = spots
    detector, settings = Counted(BoxesFile(boxes)), TrackingSettings(detect_every=4, min_seen_s=0.5)
    pose = PoseRunner(network, threads=1)
    _, tracks = track_people(open_source(frames, 24.0), detector, pose, settings)
    assert detector.asked == [0, 4, 8, 12, 16, 20]
    assert len(tracks) == 2
    true = np.array([path_of(0, frame) for frame in range(24)])
    off = np.abs(tracks[0].keypoints[:, 0, :2] - true).max(axis=1)
    assert off[4:].max() < 2.0  # the first frames know no velocity yet


def test_nobody_and_wrong_settings_are_told(spots: tuple[Path, Path, Path], tmp_path: Path) -> None:
    frames, _, network = spots
    pose = PoseRunner(network, threads=1)
    (tmp_path / "boxes.json").write_text(json.dumps([{"image_id": 99, "bbox": [1, 2, 3, 4]}]))
    with pytest.raises(ElifPoseError, match="nobody is seen for 12 of 24 frames; give boxes by --boxes"):
        track_people(open_source(frames, 24.0), BoxesFile(tmp_path / "boxes.json"), pose)
    with pytest.raises(ElifPoseError, match="detect_every is 0"):
        TrackingSettings(detect_every=0)


def test_one_picture_needs_no_half_second(spots: tuple[Path, Path, Path]) -> None:
    frames, _, network = spots
    recording, (track,) = track_people(open_source(frames / "9.png"), WholeFrame(), PoseRunner(network, threads=1))
    assert (recording.frames, track.keypoints.shape) == (1, (1, 26, 3))


class Interrupted(FrameSource):
    """A camera at which Ctrl+C is pressed after ten frames."""

    def __init__(self) -> None:
        super().__init__("0", 24.0, IMAGE_SIZE, None)

    def _read(self) -> Iterator[tuple[ImageArray, float, str]]:
        for number in range(10):
            yield spotted((80, 60, 200)), number / 24.0, ""
        raise KeyboardInterrupt


def test_an_interrupted_camera_leaves_what_it_saw(spots: tuple[Path, Path, Path]) -> None:
    recording, (track,) = track_people(Interrupted(), WholeFrame(), PoseRunner(spots[2], threads=1))
    assert recording.frames == 10
    assert np.isfinite(track.keypoints).all()
