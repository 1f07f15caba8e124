"""From frames to the keypoints of each person: crop, run the network, follow."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.datasets.transforms import warp
from elifpose.export.onnx_runner import OnnxRunner
from elifpose.export.running import NetworkRunner, Runner
from elifpose.export.source import load_source
from elifpose.inference.detector import PersonDetector
from elifpose.inference.frames import FrameSource
from elifpose.inference.recording import FloatArray, Recording, Track
from elifpose.inference.tracking import Tracker
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine, box_to_center_scale, image_to_input_matrix, invert_affine
from elifpose.utils.image import ImageArray

_POINTS = HALPE26.num_keypoints


class TrackingSettings(NamedTuple):
    """How people are followed."""

    detect_every: int = 1
    """Frames from one detection to the next; in between, boxes are taken from keypoints."""
    max_lost_s: float = 1.0
    """For how long a person may be hidden and is still the same."""
    min_seen_s: float = 0.5
    """People seen for less are left out, unless the recording is as short."""
    min_score: float = 0.3
    """Keypoints below make no box."""


class PoseRunner:
    """A trained network that finds the 26 keypoints of people in boxes.

    Args:
        path: A checkpoint, a network file, or an ONNX file that ElifPose exported.
        threads: Of each operator of an ONNX file; 0 leaves it to onnxruntime.

    Attributes:
        path: The file.
        input_size: Width and height of the network's input, pixels.
        warnings: What limits its scores, in sentences.

    Raises:
        ElifPoseError: If the file cannot be read, or its keypoints are not Halpe26's.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        self.path = Path(path)
        self._runner: Runner
        if self.path.suffix == ".onnx":
            onnx = OnnxRunner(self.path, threads)
            self._runner, self.input_size = onnx, onnx.contract.input_size
            names, name = tuple(onnx.about["skeleton"]["keypoints"]), onnx.about["skeleton"]["name"]
            stored = onnx.about["calibration"]
            calibration = None if stored is None else ScoreCalibration(**stored)
            inside = onnx.contract.outputs == "keypoints"
        else:
            source = load_source(self.path)
            self._runner, self.input_size = NetworkRunner(source.network, source.codec), source.codec.input_size
            names, name = source.skeleton.keypoints, source.skeleton.name
            calibration, inside = source.calibration, False
        if names != HALPE26.keypoints:
            raise ElifPoseError(
                f"{self.path} finds the {len(names)} keypoints of {name!r}; joint angles need those of halpe26: "
                "give a network that was trained with them"
            )
        self._calibration = None if inside else calibration
        self.warnings: tuple[str, ...] = ()
        if calibration is None:
            self.warnings = (f"the scores of {self.path.name} are raw, not calibrated; they are cut to 0 to 1",)

    def __call__(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Keypoints of the people in a frame.

        Args:
            image: ``(H, W, 3)`` uint8, RGB.
            boxes: ``(N, 4)``, left, top, width, height, image pixels.

        Returns:
            ``(N, 26, 3)`` float64: x and y in image pixels, score from 0 to 1.
        """
        if not len(boxes):
            return np.zeros((0, _POINTS, 3))
        centers, scales = box_to_center_scale(boxes, self.input_size)
        pairs = zip(centers, scales, strict=True)
        matrices = np.stack([image_to_input_matrix(center, scale, self.input_size) for center, scale in pairs])
        crops = np.stack([warp(image, matrix, self.input_size) for matrix in matrices])
        answer = self._runner(torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous())
        scores = answer.scores if self._calibration is None else self._calibration(answer.scores)
        points = apply_affine(invert_affine(matrices), answer.keypoints_input.double().numpy())
        return np.concatenate((points, scores.double().clamp(0.0, 1.0).numpy()[..., None]), axis=-1)


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
        ElifPoseError: If a setting is out of range, a frame cannot be read, or nobody is seen.
    """
    settings = settings or TrackingSettings()
    if settings.detect_every < 1:
        raise ElifPoseError(f"detect_every is {settings.detect_every}; give a number of frames, 1 or more")
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
    keypoints, boxes = np.full((len(times_s), _POINTS, 3), np.nan), np.full((len(times_s), 4), np.nan)
    keypoints[..., 2] = 0.0
    keypoints[person.frames], boxes[person.frames] = person.keypoints, person.boxes
    return Track(number, keypoints, times_s, boxes)
