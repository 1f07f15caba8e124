"""Keypoints on disk: our own COCO-style JSON, lists of frames, and ``.trc`` of Pose2Sim and Sports2D."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elifpose.inference.keypoint_names import add_middles, places_by_name
from elifpose.inference.opensim_files import read_trc
from elifpose.inference.recording import FloatArray, Recording, Track, unseen
from elifpose.inference.text_files import write_lines
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError


def read_keypoints(path: Path, fps: float | None = None) -> tuple[Recording, list[Track]]:
    """Keypoints of any system in a file.

    Read are ``.json`` as `write_keypoints` writes it (its points are found by name, so other skeletons with the same
    names will do), ``.json`` with ``frames`` of 26 × (x, y, score) each, of one person, and ``.trc`` in pixels
    (``_px.trc``), whose points have the score 1. A neck or hip centre that a file does not know is the middle of
    shoulders or hips, with a warning.

    Args:
        path: The file.
        fps: Frames per second; by default what the file says.

    Raises:
        ElifPoseError: If the file cannot be read, holds nothing, has names of no leg, or says no frame rate and none
            is given.
    """
    if not path.is_file():
        raise ElifPoseError(f"there is no file {path}: give keypoints as .json or .trc")
    if path.suffix == ".trc":
        return _from_trc(path, fps)
    if path.suffix != ".json":
        raise ElifPoseError(f"{path} is neither .json nor .trc: give keypoints in one of these formats")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ElifPoseError(f"{path} is not JSON ({error}): write it again, or give another file") from error
    if not isinstance(document, dict) or not document.keys() & {"annotations", "frames"}:
        raise ElifPoseError(
            f"{path} has neither 'annotations' (COCO style, as analyze writes keypoints.json) nor 'frames' (one list "
            "of 78 numbers each): convert it to one of these"
        )
    try:
        return _from_coco(path, document, fps) if "annotations" in document else _from_frames(path, document, fps)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ElifPoseError(
            f"{path} does not hold keypoints as they are expected ({type(error).__name__}: {error}): write it again, "
            "or convert it to what analyze writes as keypoints.json"
        ) from error


def write_keypoints(path: Path, recording: Recording, tracks: Sequence[Track]) -> None:
    """Keypoints of all people in COCO's layout, as they were found.

    ``images`` are frames, with their time; ``annotations`` have the person as ``track_id``, and of each keypoint x, y
    (image pixels) and the score where COCO has the visibility; one that was not found is 0, 0, 0.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    write_lines(path, _coco_lines(recording, tracks))


def _coco_lines(recording: Recording, tracks: Sequence[Track]) -> Iterator[str]:
    """The document, one frame or person a line."""
    width, height = recording.image_size
    number = {name: index for index, name in enumerate(HALPE26.keypoints, 1)}
    info = {
        "description": "keypoints by ElifPose: x, y in image pixels, score; 0, 0, 0 where not found",
        "source": recording.source,
        "fps": recording.fps,
        "frames": recording.frames,
        "image_size": [width, height],
        "warnings": list(recording.warnings),
    }
    skeleton = [[number[link.start], number[link.end]] for link in HALPE26.links]
    category = {"id": 1, "name": "person", "keypoints": list(HALPE26.keypoints), "skeleton": skeleton}
    times = tracks[0].times_s.tolist() if tracks else [frame / recording.fps for frame in range(recording.frames)]
    images = (
        {"id": frame, "file_name": f"{frame:06d}", "width": width, "height": height, "time_s": round(time, 6)}
        for frame, time in enumerate(times)
    )
    yield f'{{"info": {json.dumps(info)},\n"categories": [{json.dumps(category)}],\n"images": ['
    yield from _comma_separated(images)
    yield '],\n"annotations": ['
    people = (person for track in tracks for person in _annotations(track))
    yield from _comma_separated({"id": index, **person} for index, person in enumerate(people, 1))
    yield "]}"


def _comma_separated(records: Iterator[dict[str, Any]]) -> Iterator[str]:
    before = ""
    for record in records:
        yield before + json.dumps(record)
        before = ","


def _annotations(track: Track) -> Iterator[dict[str, Any]]:
    """COCO's annotations of one person, without their numbers."""
    seen = np.isfinite(track.keypoints.sum(axis=-1))
    keypoints = np.where(seen[..., None], track.keypoints, 0.0)
    keypoints = np.concatenate((keypoints[..., :2].round(3), keypoints[..., 2:].round(4)), axis=-1)
    boxes = np.nan_to_num(track.boxes).round(2)
    for frame in np.flatnonzero(seen.sum(axis=1)).tolist():
        yield {
            "image_id": frame,
            "category_id": 1,
            "track_id": track.person,
            "bbox": boxes[frame].tolist(),
            "area": round(float(boxes[frame, 2] * boxes[frame, 3]), 2),
            "iscrowd": 0,
            "num_keypoints": int(seen[frame].sum()),
            "keypoints": keypoints[frame].ravel().tolist(),
            "score": round(float(keypoints[frame, seen[frame], 2].mean()), 4),
        }


def _from_coco(path: Path, document: dict[str, Any], fps: float | None) -> tuple[Recording, list[Track]]:
    """`write_keypoints` backwards."""
    info = document.get("info", {})
    names = document["categories"][0]["keypoints"]
    places = places_by_name(path, names)
    images = sorted(document["images"], key=lambda image: int(image["id"]))
    row = {image["id"]: index for index, image in enumerate(images)}
    rate = _frame_rate(path, fps, info.get("fps"))
    times = np.array([image.get("time_s", index / rate) for index, image in enumerate(images)])
    if fps is not None:
        times = np.arange(len(images)) / fps
    people: dict[int, Track] = {}
    for person in document["annotations"]:
        number = int(person.get("track_id", 0))
        if number not in people:
            people[number] = Track(number, unseen(len(images)), times, np.full((len(images), 4), np.nan))
        index = row[person["image_id"]]
        if np.isfinite(people[number].keypoints[index, :, 0]).any():
            raise ElifPoseError(
                f"{path} has two people of track_id {number} in image {person['image_id']}: give each person a "
                "track_id that stays over the frames"
            )
        found = np.array(person["keypoints"], dtype=np.float64).reshape(len(names), 3)
        found[(found == 0).all(axis=1), :2] = np.nan
        people[number].keypoints[index, list(places.values())] = found[list(places)]
        people[number].boxes[index] = person["bbox"]
    if not people:
        raise ElifPoseError(f"{path} holds no person: give a file with keypoints")
    size = (int(images[0]["width"]), int(images[0]["height"]))
    tracks = [people[number] for number in sorted(people)]
    warnings = (*info.get("warnings", ()), *add_middles([track.keypoints for track in tracks], places))
    return Recording(str(info.get("source", path)), rate, size, len(images), warnings), tracks


def _from_frames(path: Path, document: dict[str, Any], fps: float | None) -> tuple[Recording, list[Track]]:
    """One person's ``frames`` of 78 numbers each."""
    frames = document["frames"]
    keypoints = np.array(frames, dtype=np.float64).reshape(len(frames), HALPE26.num_keypoints, 3)
    keypoints[(keypoints == 0).all(axis=-1), :2] = np.nan
    return _one_person(path, keypoints, _frame_rate(path, fps, document.get("fps")), None)


def _from_trc(path: Path, fps: float | None) -> tuple[Recording, list[Track]]:
    """One person's markers in pixels."""
    markers = read_trc(path)
    places = places_by_name(path, markers.names)
    keypoints = unseen(len(markers.positions))
    keypoints[:, list(places.values()), :2] = markers.positions[:, list(places), :2]
    keypoints[..., 2] = np.isfinite(keypoints[..., 0])
    unused = [name for index, name in enumerate(markers.names) if index not in places]
    warnings = [f"markers that are not used: {', '.join(unused)}"] if unused else []
    if np.nanmax(np.abs(keypoints[..., :2]), initial=0.0) < 20:
        raise ElifPoseError(f"{path} seems to be in metres, not pixels: give the file that ends in _px.trc")
    warnings += add_middles([keypoints], places)
    times = markers.times_s if fps is None else None
    return _one_person(path, keypoints, _frame_rate(path, fps, markers.fps), times, tuple(warnings))


def _one_person(
    path: Path, keypoints: FloatArray, fps: float, times_s: FloatArray | None, warnings: tuple[str, ...] = ()
) -> tuple[Recording, list[Track]]:
    """A recording of one person; its image is taken to be as large as the points reach."""
    seen = np.isfinite(keypoints[..., 0]).sum(axis=1) > 0
    if not seen.any():
        raise ElifPoseError(f"{path} holds no point that is known: give a file with keypoints in pixels")
    times = np.arange(len(keypoints)) / fps if times_s is None else times_s
    width, height = (max(1, math.ceil(np.nanmax(keypoints[..., axis])) + 1) for axis in range(2))
    lows, highs = np.full((2, len(keypoints), 2), np.nan)
    lows[seen], highs[seen] = np.nanmin(keypoints[seen, :, :2], axis=1), np.nanmax(keypoints[seen, :, :2], axis=1)
    boxes = np.concatenate((lows, highs - lows), axis=1)
    return Recording(str(path), fps, (width, height), len(keypoints), warnings), [Track(0, keypoints, times, boxes)]


def _frame_rate(path: Path, given: float | None, recorded: Any) -> float:
    """Frames per second, as given or as the file says."""
    fps = recorded if given is None else given
    if fps is None or not 0 < float(fps) < math.inf:
        raise ElifPoseError(f"{path} says no frame rate: give the frames per second, as in --fps 30")
    return float(fps)
