"""Frames of a picture, a folder of pictures, a video or a camera, one after the other: none is kept."""

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from elifpose.inference.recording import FloatArray, Recording
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray, read_image

_PICTURES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
_FPS_OF_ONE_PICTURE = 30.0  # of no influence: there is no second frame
_FRAMES_OFF = 2  # by which a container's count, often an estimate, may be wrong


class Frame(NamedTuple):
    """One picture of a recording."""

    number: int
    """From 0."""
    time_s: float
    """From the first frame."""
    image: ImageArray
    """``(H, W, 3)`` uint8, RGB."""
    name: str = ""
    """File name of a picture; empty in videos."""


class FrameSource(ABC):
    """Frames one after the other; they are read once.

    Attributes:
        name: Path, or the camera's number.
        fps: Frames per second: given, or as the file says.
        image_size: Width and height, pixels, as shown: a rotation in the metadata is applied.
        frames: How many there are; None where that is not known.
    """

    def __init__(self, name: str, fps: float, image_size: tuple[int, int], frames: int | None) -> None:
        self.name = name
        self.fps = fps
        self.image_size = image_size
        self.frames = frames
        self._stamps: list[float] = []

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            ElifPoseError: If a picture cannot be read or has another size than the first.
        """
        for image, stamp, name in self._read():
            if (image.shape[1], image.shape[0]) != self.image_size:
                which = name or f"frame {len(self._stamps)}"
                raise ElifPoseError(
                    f"{self.name}: {which} has {image.shape[1]} x {image.shape[0]} pixels, and the first has "
                    f"{self.image_size[0]} x {self.image_size[1]}: analyse pictures of one size at a time"
                )
            self._stamps.append(stamp)
            yield Frame(len(self._stamps) - 1, stamp - self._stamps[0], image, name)

    @abstractmethod
    def _read(self) -> Iterator[tuple[ImageArray, float, str]]:
        """Yield picture, time in seconds and file name."""

    def times(self) -> FloatArray:
        """When each frame read so far was taken, ``(T,)``, seconds from the first.

        Evenly spaced by the frame rate, but where the frames' own times are not.
        """
        stamps = np.asarray(self._stamps) - (self._stamps[0] if self._stamps else 0.0)
        return stamps if is_variable(stamps) else np.arange(len(stamps)) / self.recording_fps()

    def recording_fps(self) -> float:
        """Frames per second of what was read so far, by the frames' own times where they say another rate."""
        if len(self._stamps) < 2 or self._stamps[-1] <= self._stamps[0]:
            return self.fps
        measured = (len(self._stamps) - 1) / (self._stamps[-1] - self._stamps[0])
        return self.fps if abs(measured * len(self._stamps) / self.fps - len(self._stamps)) < 1.0 else measured

    def recording(self) -> Recording:
        """What was read so far."""
        fps, warnings = self.recording_fps(), []
        if is_variable(np.asarray(self._stamps)):
            warnings.append(
                f"the frame rate varies about {fps:.4g} per second: times are the frames' own, but filters and "
                "velocities take the frames as evenly spaced; convert the video to a constant rate for exact figures"
            )
        elif fps != self.fps:
            warnings.append(f"{self.fps:g} frames per second are announced, but the frames' times say {fps:.4g}")
        if self.frames is not None and len(self._stamps) < self.frames - _FRAMES_OFF:
            warnings.append(
                f"the video ends after {len(self._stamps)} of {self.frames} frames: it is damaged or cut off there"
            )
        return Recording(self.name, fps, self.image_size, len(self._stamps), tuple(warnings))


class PictureSource(FrameSource):
    """Pictures as frames of a recording.

    Args:
        name: Where they are.
        paths: The files, in order; at least one.
        fps: Frames per second.
    """

    def __init__(self, name: str, paths: list[Path], fps: float) -> None:
        height, width, _ = read_image(paths[0], apply_orientation=True).shape
        super().__init__(name, fps, (width, height), len(paths))
        self._paths = paths

    def _read(self) -> Iterator[tuple[ImageArray, float, str]]:
        for index, path in enumerate(self._paths):
            yield read_image(path, apply_orientation=True), index / self.fps, path.name


class VideoSource(FrameSource):
    """A video or a camera.

    Args:
        source: Path, or the camera's number, whose frames never end.
        fps: Frames per second, by which the frames are then timed; by default the file's own times count, or when a
            camera's frames arrive.

    Raises:
        ElifPoseError: If it cannot be opened, has no frame, or does not say its frame rate and none is given.
    """

    def __init__(self, source: Path | int, fps: float | None = None) -> None:
        self._is_camera, self._fps_given = isinstance(source, int), fps is not None
        with _quiet_opencv():
            self._video = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        self._video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        name = f"camera {source}" if self._is_camera else f"the video {source}"
        first = self._next()
        if first is None:
            self._video.release()
            mend = "connect it, or give another number" if self._is_camera else "play it, and export it again as MP4"
            raise ElifPoseError(f"{name} has no frame that can be read: {mend}")
        self._first = first
        rate = self._video.get(cv2.CAP_PROP_FPS) if fps is None else fps
        if not 0 < rate < math.inf:
            self._video.release()
            raise ElifPoseError(f"{name} does not say its frames per second; give them by --fps")
        frames = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        known = frames if frames > 0 and not self._is_camera else None
        super().__init__(str(source), float(rate), (first[0].shape[1], first[0].shape[0]), known)

    def _read(self) -> Iterator[tuple[ImageArray, float, str]]:
        found: tuple[ImageArray, float] | None = self._first
        index = 0
        try:
            while found is not None:
                yield found[0], index / self.fps if self._fps_given else found[1], ""
                found = self._next()
                index += 1
        finally:
            self._video.release()

    def _next(self) -> tuple[ImageArray, float] | None:
        """The next frame, RGB, and its time in seconds; None at the end."""
        found, image = self._video.read()
        if not found:
            return None
        stamp = time.monotonic() if self._is_camera else self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8), stamp


def open_source(source: str | Path | int, fps: float | None = None) -> FrameSource:
    """Open what frames come from.

    Args:
        source: A picture, a folder of pictures (in the order of the numbers in their names), a video, or a camera's
            number, also as text.
        fps: Frames per second; needed for a folder, and for a video that does not say them or that was slowed down.

    Raises:
        ElifPoseError: If there is no such thing, it cannot be read, or its frame rate is not known or not positive.
    """
    if fps is not None and not 0 < fps < math.inf:
        raise ElifPoseError(f"--fps is {fps:g}; give frames per second above 0")
    path = Path(str(source))
    if is_camera(source):
        return VideoSource(int(str(source)), fps)
    if path.is_dir():
        return _open_folder(path, fps)
    if not path.is_file():
        raise ElifPoseError(f"there is no video, picture or folder {path}; check the path")
    if path.suffix.lower() in _PICTURES:
        return PictureSource(str(path), [path], _FPS_OF_ONE_PICTURE if fps is None else fps)
    return VideoSource(path, fps)


def is_camera(source: str | Path | int) -> bool:
    """Whether this is a camera's number, as text or not: its frames cannot be read a second time."""
    return str(source).isdecimal() and not Path(str(source)).exists()


def is_variable(stamps: FloatArray) -> bool:
    """Whether times ``(T,)`` stray from an even spacing by half a frame or more; not if they ever go back."""
    if len(stamps) < 3 or (np.diff(stamps) <= 0).any():
        return False
    even = np.linspace(stamps[0], stamps[-1], len(stamps))
    return bool(np.ptp(stamps - even) >= 0.5 * (even[1] - even[0]))


def _open_folder(folder: Path, fps: float | None) -> PictureSource:
    paths = [path for path in folder.iterdir() if path.suffix.lower() in _PICTURES and not path.name.startswith(".")]
    if not paths:
        raise ElifPoseError(f"the folder {folder} holds no pictures (such as .jpg or .png); check the path")
    if fps is None and len(paths) > 1:
        raise ElifPoseError(f"the folder {folder} does not say its pictures' frames per second; give them by --fps")
    paths.sort(key=_natural)
    return PictureSource(str(folder), paths, _FPS_OF_ONE_PICTURE if fps is None else fps)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from telling how it failed to open something: that is told in one sentence."""
    log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the level in cv2 itself
    level = log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorting key by which ``2.jpg`` comes before ``10.jpg``."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts]
