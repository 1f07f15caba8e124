import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.inference.frames import is_variable, open_source
from elifpose.inference.recording import FloatArray
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray

WIDTH, HEIGHT = 64, 48


def picture(number: int) -> ImageArray:
    """As bright as its number up to 24 says, with a red left half: ``(48, 64, 3)`` RGB."""
    image = np.full((HEIGHT, WIDTH, 3), 10 * (number % 25), dtype=np.uint8)
    image[:, : WIDTH // 2] = (255, 0, 0)
    return image


def write_video(path: Path, count: int = 12, fps: float = 25.0) -> Path:
    """A video of `picture`; MJPG in AVI, MPEG-4 in MP4."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (WIDTH, HEIGHT))
    for number in range(count):
        writer.write(picture(number)[..., ::-1].copy())
    writer.release()
    return path


def patch(path: Path, box: bytes, offset: int, content: bytes, insert: bytes = b"") -> None:
    """Overwrite an MP4 file's box from ``offset`` after its name, and append to it: the boxes around it grow."""
    data = bytearray(path.read_bytes())
    place = data.index(box)
    data[place + 4 + offset : place + 4 + offset + len(content)] = content
    (size,) = struct.unpack_from(">I", data, place - 4)
    if insert:
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", box):
            at = data.index(name) - 4
            struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + len(insert))
        data[place - 4 + size : place - 4 + size] = insert
    path.write_bytes(data)


def brightness(image: ImageArray) -> int:
    """The number of a `picture`."""
    return round(float(image[HEIGHT // 4 : -HEIGHT // 4, -WIDTH // 4 :].mean()) / 10)


@pytest.mark.parametrize("name", ["walk.mp4", "walk.avi"])
def test_a_videos_frames_come_in_order_with_their_times(tmp_path: Path, name: str) -> None:
    source = open_source(write_video(tmp_path / name))
    assert (source.fps, source.image_size, source.frames) == (25.0, (WIDTH, HEIGHT), 12)
    seen = list(source)
    assert [frame.number for frame in seen] == list(range(12))
    assert [brightness(frame.image) for frame in seen] == list(range(12))
    assert [frame.time_s for frame in seen] == pytest.approx(np.arange(12) / 25)
    assert source.times() == pytest.approx(np.arange(12) / 25)
    red, green, blue = seen[5].image[HEIGHT // 2, WIDTH // 4]
    assert red > 200
    assert max(green, blue) < 60
    assert source.recording()[1:] == (25.0, (WIDTH, HEIGHT), 12, ())


def test_a_rotation_in_the_metadata_is_applied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "upright.mp4")
    one = 1 << 16
    patch(path, b"tkhd", 40, struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT * one, 0, 1 << 30))
    source = open_source(path)
    assert source.image_size == (HEIGHT, WIDTH)
    (image, *_) = [frame.image for frame in source]
    assert image.shape == (WIDTH, HEIGHT, 3)
    assert image[: WIDTH // 4, :, 0].min() > 200  # a quarter turn clockwise takes what was left to the top
    assert image[-WIDTH // 4 :, :, 0].max() < 60


def test_a_varying_frame_rate_is_noticed_and_its_times_are_taken(tmp_path: Path) -> None:
    path = write_video(tmp_path / "varying.mp4")
    delta = struct.unpack_from(">I", path.read_bytes(), path.read_bytes().index(b"stts") + 16)[0]
    patch(path, b"stts", 4, struct.pack(">III", 2, 6, delta), struct.pack(">II", 6, 3 * delta))
    path.write_bytes(path.read_bytes().replace(b"edts", b"free"))  # an edit list would cut it to its old length
    source = open_source(path)
    true = np.concatenate((np.arange(6), 6 + 3 * np.arange(6))) / 25
    assert [frame.time_s for frame in source] == pytest.approx(true)
    assert source.times() == pytest.approx(true)
    (warning,) = source.recording().warnings
    assert "varies" in warning
    assert source.recording().fps == pytest.approx(12 / (true[-1] + 3 / 25))


def test_a_given_frame_rate_overrules_the_files(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "slow_motion.mp4"), fps=100.0)
    assert [frame.time_s for frame in source] == pytest.approx(np.arange(12) / 100)
    assert source.recording()[1:] == (100.0, (WIDTH, HEIGHT), 12, ())


def test_a_video_that_ends_early_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(path)
    count = len(list(source))
    assert 3 < count < 38
    assert source.recording().frames == count
    assert source.recording().warnings == (
        f"the video ends after {count} of 40 frames: it is damaged or cut off there",
    )


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(ElifPoseError, match=r"broken\.mp4 has no frame that can be read"):
        open_source(tmp_path / "broken.mp4")


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="no frame that can be read"):
        open_source(write_video(tmp_path / "empty.mp4", 0))


class Capture:
    """OpenCV's, that opens a file in the place of a camera and knows no frame rate."""

    path = ""
    fps = 0.0

    def __init__(self, source: str | int) -> None:
        self._video = VIDEO_CAPTURE(self.path if isinstance(source, int) else source)
        self.read, self.set, self.release = self._video.read, self._video.set, self._video.release

    def get(self, what: int) -> float:
        """A property."""
        return self.fps if what == cv2.CAP_PROP_FPS else float(self._video.get(what))


VIDEO_CAPTURE = cv2.VideoCapture


def test_an_unknown_frame_rate_must_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elifpose.inference.frames.cv2.VideoCapture", Capture)
    path = write_video(tmp_path / "walk.avi")
    with pytest.raises(ElifPoseError, match="does not say its frames per second; give them by --fps"):
        open_source(path)
    assert open_source(path, 50.0).fps == 50.0


def test_a_cameras_frames_are_timed_when_they_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elifpose.inference.frames.cv2.VideoCapture", Capture)
    monkeypatch.setattr(Capture, "path", str(write_video(tmp_path / "camera.avi")))
    monkeypatch.setattr(Capture, "fps", 30.0)
    ticks = iter(range(100, 200))
    monkeypatch.setattr("elifpose.inference.frames.time.monotonic", lambda: next(ticks) / 20)
    source = open_source("3")
    assert (source.name, source.fps, source.frames) == ("3", 30.0, None)
    assert [frame.time_s for frame in source] == pytest.approx(np.arange(12) / 20)
    assert source.recording().fps == pytest.approx(20.0)
    assert source.times() == pytest.approx(np.arange(12) / 20)
    assert source.recording().warnings == ("30 frames per second are announced, but the frames' times say 20",)


def test_a_folders_pictures_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"step_{number}.png"), picture(number)[..., ::-1])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ElifPoseError, match="--fps"):
        open_source(tmp_path)
    source = open_source(tmp_path, fps=10.0)
    seen = list(source)
    assert [frame.name for frame in seen] == ["step_1.png", "step_2.png", "step_10.png"]
    assert [brightness(frame.image) for frame in seen] == [1, 2, 10]
    assert seen[0].image.tolist() == picture(1).tolist()
    assert source.recording() == (str(tmp_path), 10.0, (WIDTH, HEIGHT), 3, ())


def test_one_picture_is_a_recording_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), picture(3)[..., ::-1])
    source = open_source(str(tmp_path / "one.png"))
    assert [(frame.number, frame.time_s) for frame in source] == [(0, 0.0)]
    assert source.times().tolist() == [0.0]
    assert source.recording().frames == 1


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture(1))
    cv2.imwrite(str(tmp_path / "2.png"), picture(1)[:-8])
    with pytest.raises(ElifPoseError, match=r"2\.png has 64 x 40 pixels, and the first has 64 x 48"):
        list(open_source(tmp_path, fps=10.0))


def test_of_a_camera_that_is_not_there_opencv_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    log = getattr(cv2.utils, "logging", cv2)
    level = log.getLogLevel()
    with pytest.raises(ElifPoseError, match="camera 97 has no frame that can be read: connect it"):
        open_source("97")
    assert capfd.readouterr().err == ""
    assert log.getLogLevel() == level > 0


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="there is no video, picture or folder"):
        open_source(tmp_path / "nothing.mp4")
    with pytest.raises(ElifPoseError, match="holds no pictures"):
        open_source(tmp_path)
    with pytest.raises(ElifPoseError, match="--fps is 0"):
        open_source(tmp_path, fps=0.0)


@pytest.mark.parametrize(
    ("stamps", "variable"),
    [
        (np.arange(300) / 30, False),
        ((np.arange(300) / 30).round(3), False),  # as containers that count milliseconds have them
        (np.arange(300) / 29.97, False),
        (np.delete(np.arange(300), 150) / 30, True),  # a frame was dropped
        (np.zeros(5), False),  # a reader that knows no times
        (np.zeros(0), False),
    ],
)
def test_times_vary_if_they_leave_an_even_spacing_by_half_a_frame(stamps: FloatArray, variable: bool) -> None:
    assert is_variable(stamps) == variable


def test_real_videos_are_read_to_their_end(shared: Path) -> None:
    source = open_source(shared / "samples/gait_cam03/video.mp4")
    assert (source.fps, source.image_size, source.frames) == (60.0, (1088, 1920), 100)
    assert sum(1 for _ in source) == 100
    assert source.recording().warnings == ()
