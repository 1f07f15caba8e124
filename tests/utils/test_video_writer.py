"""Videos written picture by picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.video_writer import VideoWriter

_SIZE = (64, 48)


def _picture(red: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[..., 0] = red
    return picture


def _write_a_wrong_one(writer: VideoWriter) -> None:
    writer.write(_picture(9))
    writer.write(_picture(9)[:-2])


def test_pictures_come_back_in_their_order_and_colour(tmp_path: Path) -> None:
    path = tmp_path / "new" / "overlay.mp4"
    with VideoWriter(path, 25.0, _SIZE) as writer:
        for red in (60, 150, 240):
            writer.write(_picture(red))
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["overlay.mp4"]
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == 25.0
    pictures = [video.read()[1] for _ in range(3)]
    assert not video.read()[0]
    video.release()
    np.testing.assert_allclose([picture[..., 2].mean() for picture in pictures], (60, 150, 240), atol=8)
    assert max(picture[..., :2].max() for picture in pictures) < 20


def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "overlay.mp4"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="64 x 48"), VideoWriter(path, 25.0, _SIZE) as writer:
        _write_a_wrong_one(writer)
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_another_size_is_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25.0, _SIZE) as writer, pytest.raises(ValueError, match="64 x 48"):
        writer.write(_picture(9)[:-2])
    with pytest.raises(ValueError, match="even"):
        VideoWriter(tmp_path / "a.mp4", 25.0, (63, 48))


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ElifPoseError, match="cannot be written"):
        VideoWriter(tmp_path / "file" / "overlay.mp4", 25.0, _SIZE)
