"""People followed through a recording: whose keypoints are whose, and who is seen for long enough."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from elifpose.inference.detector import PersonDetector
from elifpose.inference.frames import FrameSource
from elifpose.inference.pose import PoseRunner
from elifpose.inference.recording import FloatArray, Recording, Track, unseen
from elifpose.inference.tracking import Tracker
from elifpose.utils.errors import ElifPoseError


@final
@dataclass(frozen=True)
class TrackingSettings:
    """How people are followed.

    Args:
        detect_every: Frames from one detection to the next; in between, boxes are taken from keypoints.
        max_lost_s: For how long a person may be hidden and is still the same.
        min_seen_s: People seen for less are left out, unless the recording is as short.
        min_score: Keypoints below make no box.

    Raises:
        ElifPoseError: If ``detect_every`` is not positive.
    """

    detect_every: int = 1
    max_lost_s: float = 1.0
    min_seen_s: float = 0.5
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise ElifPoseError(f"detect_every is {self.detect_every}; give a number of frames, 1 or more")


def track_people(
    source: FrameSource,
    detector: PersonDetector,
    pose: PoseRunner,
    settings: TrackingSettings | None = None,
    progress: Callable[[int], None] | None = None,
    live: Callable[[int, float, FloatArray], object] | None = None,
) -> tuple[Recording, list[Track]]:
    """Follow everyone through a recording; of each frame only keypoints and boxes are kept.

    Args:
        source: The frames. Ctrl+C ends them as if there were no more, which is how a camera's end.
        detector: Says where people are.
        pose: Says where their keypoints are.
        settings: The defaults if None.
        progress: Called after each frame with how many were read.
        live: Called with number, seconds and keypoints ``(26, 3)`` of each person as soon as they are known; people
            who were seen for too short a time are among them, so numbers may differ from those of the tracks.

    Returns:
        What was read, and its people by first appearance.

    Raises:
        ElifPoseError: If a frame cannot be read, or nobody is seen.
    """
    settings = settings or TrackingSettings()
    tracker = Tracker(settings.max_lost_s)
    seen: dict[int, _Seen] = {}
    try:
        for frame in source:
            if frame.number % settings.detect_every == 0:
                boxes = detector(frame).boxes
            else:
                boxes = tracker.expected(frame.time_s, settings.min_score)
            keypoints = pose(frame.image, boxes)
            for row, person in enumerate(tracker.update(frame.time_s, boxes, keypoints)):
                if person >= 0:
                    seen.setdefault(person, _Seen([], [], [])).add(frame.number, keypoints[row], boxes[row])
                    if live is not None:
                        live(person, frame.time_s, keypoints[row])
            if progress is not None:
                progress(frame.number + 1)
    except KeyboardInterrupt:
        pass
    return _finished(source, pose, seen, settings)


class _Seen(NamedTuple):
    """Where one person was seen: frames, keypoints and boxes."""

    frames: list[int]
    keypoints: list[FloatArray]
    boxes: list[FloatArray]

    def add(self, frame: int, keypoints: FloatArray, box: FloatArray) -> None:
        self.frames.append(frame)
        self.keypoints.append(keypoints)
        self.boxes.append(box)


def _finished(
    source: FrameSource, pose: PoseRunner, seen: dict[int, _Seen], settings: TrackingSettings
) -> tuple[Recording, list[Track]]:
    """The recording, and tracks of those seen for long enough."""
    recording, times = source.recording(), source.times()
    needed = min(round(settings.min_seen_s * recording.fps), recording.frames)
    people = [person for person in seen.values() if len(person.frames) >= needed]
    if not people:
        raise ElifPoseError(
            f"{source.name}: nobody is seen for {needed} of {recording.frames} frames; give boxes by --boxes, "
            "or leave out the detector if one person fills the picture"
        )
    warnings = [*recording.warnings, *pose.warnings]
    if len(people) < len(seen):
        left_out = len(seen) - len(people)
        warnings.append(
            f"{left_out} {'person' if left_out == 1 else 'people'} seen for less than {settings.min_seen_s:g} s "
            f"{'is' if left_out == 1 else 'are'} left out"
        )
    tracks = [_track(number, person, times) for number, person in enumerate(people)]
    return recording._replace(warnings=tuple(warnings)), tracks


def _track(number: int, person: _Seen, times_s: FloatArray) -> Track:
    """A person's arrays over all frames."""
    keypoints, boxes = unseen(len(times_s)), np.full((len(times_s), 4), np.nan)
    keypoints[person.frames], boxes[person.frames] = person.keypoints, person.boxes
    return Track(number, keypoints, times_s, boxes)
