"""A video file that is there whole or not at all."""

from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray


class VideoWriter:
    """Writes pictures to an MP4 file as they come; none is kept.

    The format is MPEG-4 Part 2 (``mp4v``), the one that every build of OpenCV writes. VLC, mpv and what builds on
    FFmpeg play it; browsers do not: for those, ``ffmpeg -i overlay.mp4 -c:v libx264 -pix_fmt yuv420p h264.mp4``.

    Used in a ``with`` statement. The file carries another name until all is written, and is removed if something
    fails before.

    Args:
        path: The file, ending in ``.mp4``; one of that name is replaced.
        fps: Pictures per second.
        size: Width and height of every picture, pixels, both even.

    Raises:
        ElifPoseError: If the file cannot be written.
        ValueError: If a size is odd.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        if size[0] % 2 or size[1] % 2:
            raise ValueError(f"width and height must be even, not {size}")
        self.path = path
        self._size = size
        self._partial = path.with_name(f".{path.stem}.partial.mp4")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.touch()
        except OSError as error:
            raise ElifPoseError(
                f"the video {path} cannot be written ({error.strerror}); choose another folder"
            ) from error
        self._writer = cv2.VideoWriter(str(self._partial), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        if not self._writer.isOpened():
            self._partial.unlink()
            raise ElifPoseError(
                f"the video {path} of {size[0]} x {size[1]} pixels at {fps:g} frames per second cannot be written: "
                "this build of OpenCV has no MPEG-4 encoder for it; do without the video"
            )

    def __enter__(self) -> Self:
        return self

    def write(self, image: ImageArray) -> None:
        """Add one picture: ``(H, W, 3)`` RGB of the writer's size; `ValueError` if it has another."""
        if image.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a picture is {image.shape}, but the video is {self._size[0]} x {self._size[1]}")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and give it its name, or remove it after an error."""
        self._writer.release()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)
