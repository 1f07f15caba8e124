"""One person who moves before a camera at rest, with the joint angles that the body was posed by."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.appearance import Look, draw_look, dress
from elifpose.datasets.synthetic.body import KEYPOINT_ROWS, LANDMARKS, SEGMENTS, draw_proportions, place
from elifpose.datasets.synthetic.camera import Camera, look
from elifpose.datasets.synthetic.motion_curves import MOTIONS, SIDES, Leg
from elifpose.datasets.synthetic.poses import posed
from elifpose.datasets.synthetic.scene import Actor, Scene, Stage, heading, render_stage
from elifpose.datasets.synthetic.shapes import Shapes
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.video_writer import VideoWriter

Array = npt.NDArray[np.float64]
Facing = Literal["left", "right"]

_DISTANCE = 8.0  # metres from camera to person: what is nearer than the hip is then hardly larger
_REACH = 0.75  # of the stature, to either side of the middle: arms and legs in all motions
_MOST_FRAMES = 20_000
_FILLED = 0.8  # of the picture's height or width


class Clip(NamedTuple):
    """What is filmed."""

    motion: str = "walk"
    """One of `MOTIONS`."""
    seconds: float = 6.0
    fps: float = 30.0
    yaw: float = 0.0
    """Degrees from side-on, towards the camera; 90 faces it."""
    size: tuple[int, int] = (640, 480)
    """Width and height of the picture, pixels."""
    facing: Facing = "right"
    """Where in the picture the person faces."""
    seed: int = 0
    """Of who is filmed, and where."""


class Performance(NamedTuple):
    """A clip before it is painted, ``T`` frames."""

    times_s: Array
    """``(T,)``."""
    camera: Camera
    look: Look
    yaw: float
    """As in `scene.Actor`."""
    landmarks: Array
    """``(T, P, 3)``, world frame, metres, rows as in `body.LANDMARKS`."""
    keypoints: Array
    """``(T, 26, 2)``, exact projections, image pixels, Halpe26's order."""
    angles: dict[str, Leg]
    """By side, degrees: the angles the body is posed by, plus what the same angle reads in upright standing."""


def perform(clip: Clip) -> Performance:
    """Move a body, and project it.

    Angles are those of the joints that pose the body, not of its points. They are counted as a goniometer laid along
    the keypoints counts them, so each has a constant added: in upright standing the line from hip centre to neck
    leans back by about 2° and that from heel to big toe down by about 1.6°, as the body's points lie.

    Raises:
        ElifPoseError: If the clip is of an unknown motion, or a number is out of range.
    """
    _check(clip)
    rng = np.random.default_rng(clip.seed)
    appearance, proportions = draw_look(rng), draw_proportions(rng)
    times = np.arange(round(clip.seconds * clip.fps)) / clip.fps
    curves = MOTIONS[clip.motion](times)
    yaw = math.radians(90.0 - clip.yaw) * (1 if clip.facing == "right" else -1)
    turn, spot = heading(yaw).T, (0.0, 0.0, -_DISTANCE)
    feet = (False, False)
    rotations = map(curves.rotations, range(len(times)))
    landmarks = np.stack([place(r, proportions, appearance.stature, feet).landmarks @ turn + spot for r in rotations])
    standing = place(posed(np.zeros((len(SEGMENTS), 3))), proportions, appearance.stature, feet).landmarks
    hip, ankle = _elevation(standing, "hip", "neck"), _elevation(standing, "left_heel", "left_big_toe")
    angles = {side: Leg(leg.hip + 90.0 - hip, leg.knee, leg.ankle + ankle) for side, leg in curves.legs.items()}
    camera = _camera(clip.size, appearance.stature)
    keypoints = camera.project(camera.to_camera(landmarks[:, KEYPOINT_ROWS]))
    return Performance(times, camera, appearance, yaw, landmarks, keypoints, angles)


def paint(clip: Clip, performance: Performance) -> Iterator[Scene]:
    """The frames, one after the other; surroundings, light and grain are the same in all."""
    for landmarks in performance.landmarks:
        shapes = Shapes()
        dress(shapes, landmarks, performance.look, 0)
        actor = Actor(landmarks, performance.look, performance.yaw, clip.motion)
        yield render_stage(np.random.default_rng(clip.seed), clip.size, Stage(performance.camera, [actor], shapes))


def write_clip(folder: Path, clip: Clip) -> list[Path]:
    """Write ``MOTION.mp4``, ``keypoints.json`` and ``truth.csv``.

    The keypoints are exact, COCO-style as ``elifpose analyze --keypoints`` reads them: score 1, the box round what is
    seen of the person. The table has `Performance.angles` of each frame and side.

    Returns:
        The three files.

    Raises:
        ElifPoseError: As `perform`, or if a file cannot be written.
    """
    performance = perform(clip)
    video, keypoints, truth = (folder / name for name in (f"{clip.motion}.mp4", "keypoints.json", "truth.csv"))
    boxes = []
    with VideoWriter(video, clip.fps, clip.size) as writer:
        for scene in paint(clip, performance):
            writer.write(scene.image)
            boxes.append(scene.people[0].box)
    try:
        keypoints.write_text(json.dumps(_coco(clip, performance, np.array(boxes))), encoding="utf-8")
        truth.write_text("\n".join(_table(performance)), encoding="utf-8")
    except OSError as error:
        raise ElifPoseError(f"{folder} cannot be written ({error.strerror}); choose another folder") from error
    return [video, keypoints, truth]


def _check(clip: Clip) -> None:
    rules = (
        (clip.motion in MOTIONS, f"motion is {clip.motion!r}, but must be one of {', '.join(MOTIONS)}"),
        (1 <= clip.fps <= 1000, f"fps is {clip.fps:g}, but must be 1 to 1000 frames per second"),
        (
            0.5 < clip.seconds * clip.fps <= _MOST_FRAMES,
            f"{clip.seconds:g} seconds at {clip.fps:g} fps are {clip.seconds * clip.fps:g} frames, but must be 1 to "
            f"{_MOST_FRAMES}",
        ),
        (-90 <= clip.yaw <= 90, f"yaw is {clip.yaw:g}, but must be -90 to 90 degrees from side-on"),
        (clip.seed >= 0, f"seed is {clip.seed}, but must not be negative"),
        (
            min(clip.size) >= 32 and not any(length % 2 for length in clip.size),
            f"size is {clip.size[0]} x {clip.size[1]}, but must be even and at least 32 pixels each way",
        ),
    )
    for kept, sentence in rules:
        if not kept:
            raise ElifPoseError(sentence)


def _camera(size: tuple[int, int], stature: float) -> Camera:
    """A level camera at half the body's height that sees all of it."""
    scale = _FILLED * min(size[1] / stature, size[0] / (2 * _REACH * stature))
    return look(size, focal=scale * _DISTANCE, height=stature / 2, pitch=0.0)


def _elevation(landmarks: Array, start: str, end: str) -> float:
    """Degrees by which the way from one landmark to another rises above the forward direction, in the side view."""
    _, rise, run = landmarks[LANDMARKS[end]] - landmarks[LANDMARKS[start]]
    return math.degrees(math.atan2(rise, run))


def _coco(clip: Clip, performance: Performance, boxes: Array) -> dict[str, Any]:
    """Keypoints of all frames in COCO's layout."""
    width, height = clip.size
    times, names = performance.times_s.tolist(), list(HALPE26.keypoints)
    points = np.concatenate((performance.keypoints.round(3), np.ones((len(times), len(names), 1))), axis=-1)
    images = [
        {"id": frame, "file_name": f"{frame:06d}", "width": width, "height": height, "time_s": round(time, 6)}
        for frame, time in enumerate(times)
    ]
    annotations = [
        {
            "id": frame + 1,
            "image_id": frame,
            "category_id": 1,
            "track_id": 0,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "num_keypoints": len(names),
            "keypoints": points[frame].ravel().tolist(),
        }
        for frame, box in enumerate(boxes.tolist())
    ]
    info = {"description": "rendered by ElifPose: exact keypoints", "source": f"{clip.motion}.mp4", "fps": clip.fps}
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    return {"info": info, "categories": categories, "images": images, "annotations": annotations}


def _table(performance: Performance) -> Iterator[str]:
    """Lines of the CSV file of angles."""
    yield "time_s,frame,side,hip_flexion_deg,knee_flexion_deg,ankle_dorsiflexion_deg"
    for frame, time in enumerate(performance.times_s):
        for side in SIDES:
            hip, knee, ankle = (joint[frame] for joint in performance.angles[side])
            yield f"{time:.6f},{frame},{side},{hip:.3f},{knee:.3f},{ankle:.3f}"
    yield ""
