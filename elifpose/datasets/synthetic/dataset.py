"""Writes rendered scenes in COCO's layout: JPEGs in a folder, and one JSON file.

Image i of a split follows from (seed, split, i) alone, so pictures are drawn in any number of processes, and an
interrupted run goes on where it stopped. Everything is written under a temporary name first: a folder that bears a
split's name is complete.
"""

import itertools
import json
import multiprocessing
import re
import zlib
from collections import deque
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from elifpose.datasets.synthetic.coco_layout import (
    JsonObject,
    Settings,
    annotation_entry,
    annotation_file,
    image_entry,
    image_name,
)
from elifpose.datasets.synthetic.scene import Scene, render_scene
from elifpose.utils.errors import ElifPoseError

_JPEG_QUALITY = 92
_CHUNK = 32  # images that one process draws before it reports


def write_dataset(
    root: Path,
    split: str,
    people: int,
    seed: int,
    image_size: tuple[int, int] = (256, 256),
    workers: int = 0,
) -> Path:
    """Render a data set of people in COCO's layout, unless it is there already.

    Writes ``root/<split>/000000000001.jpg`` … and ``root/annotations/person_keypoints_<split>.json`` with the 26
    keypoints of Halpe26. The same arguments give the same bytes.

    Args:
        root: Folder of the data set; made if it does not exist.
        split: Name of the split, e.g. ``train2017``.
        people: At least so many people are annotated; the last picture may bring some more.
        seed: Of every random choice.
        image_size: Width and height, pixels.
        workers: Processes that draw; 0 draws in this one.

    Returns:
        Path of the annotation file.

    Raises:
        ElifPoseError: If an argument is out of range, the folder holds something else or cannot be written,
            or a process was killed.
    """
    settings = Settings(split, people, seed, (int(image_size[0]), int(image_size[1])))
    _check(settings, workers)
    folder, annotations = root / split, root / "annotations" / f"person_keypoints_{split}.json"
    try:
        if _is_complete(folder, annotations, settings):
            return annotations
        partial = root / f".{split}-{settings.digest()[:12]}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        content = _render(settings, partial, workers)
        annotations.parent.mkdir(exist_ok=True)
        _write_atomically(annotations, json.dumps(content, separators=(",", ":")).encode())
        _keep_only(partial, {image["file_name"] for image in content["images"]})
        partial.replace(folder)
    except BrokenProcessPool as error:
        raise ElifPoseError(
            "a process that draws was killed; try again with fewer --workers: what was drawn is kept"
        ) from error
    except OSError as error:
        raise ElifPoseError(
            f"cannot write the synthetic data set under {root}: {error}; choose another folder"
        ) from error
    return annotations


def render_image(settings: Settings, number: int) -> Scene:
    """Draw image ``number`` (from 1) of a data set."""
    entropy = (settings.seed, zlib.crc32(settings.split.encode()), number)
    return render_scene(np.random.default_rng(entropy), settings.image_size)


def _check(settings: Settings, workers: int) -> None:
    """Refuse what cannot be rendered."""
    if not re.fullmatch(r"\w[\w.-]*", settings.split):
        raise ElifPoseError(f"split {settings.split!r} must be a plain folder name, e.g. train2017")
    if settings.split == "annotations":
        raise ElifPoseError("split 'annotations' is the name of the folder of JSON files; choose another")
    if settings.people < 1:
        raise ElifPoseError(f"people must be at least 1 in split {settings.split!r}, not {settings.people}")
    if settings.seed < 0 or workers < 0:
        raise ElifPoseError(f"seed and workers must not be negative, but are {settings.seed} and {workers}")
    if min(settings.image_size) < 32:
        raise ElifPoseError(f"image_size must be at least 32 pixels each way, not {settings.image_size}")


def _is_complete(folder: Path, annotations: Path, settings: Settings) -> bool:
    """Whether this very data set is there; False if there is none, an error if there is something else."""
    remedy = "choose another root, or delete them to render anew"
    has_images = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if not annotations.exists():
        if has_images:
            raise ElifPoseError(f"{folder} holds files that no annotation file {annotations.name} tells of; {remedy}")
        return False
    try:
        content = json.loads(annotations.read_bytes())
        found, listed = content["info"]["settings_sha256"], {image["file_name"] for image in content["images"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ElifPoseError(f"{annotations} and {folder} are not a synthetic data set; {remedy}") from error
    if found != settings.digest():
        raise ElifPoseError(f"{annotations} and {folder} are a synthetic data set of other settings; {remedy}")
    if not has_images:
        return False
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if missing := sorted(listed - present):
        raise ElifPoseError(f"{folder} lacks {len(missing)} of {len(listed)} images, first {missing[0]}; {remedy}")
    return True


def _render(settings: Settings, partial: Path, workers: int) -> JsonObject:
    """Draw images into the folder until there are enough people; returns the annotation file's content."""
    images: list[JsonObject] = []
    annotations: list[JsonObject] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, closing(_chunks(settings, partial, workers)) as chunks:
        task = progress.add_task(f"rendering people of {settings.split}", total=settings.people)
        for annotations_of_image in itertools.chain.from_iterable(chunks):
            images.append(image_entry(len(images) + 1, settings.image_size))
            annotations += annotations_of_image
            progress.update(task, completed=min(len(annotations), settings.people))
            if len(annotations) >= settings.people:
                break
    return annotation_file(settings, images, annotations)


def _chunks(settings: Settings, partial: Path, workers: int) -> Generator[list[list[JsonObject]]]:
    """Annotations of one chunk of images after the other, without end."""
    if workers == 0:
        for chunk in itertools.count():
            yield _render_chunk(settings, partial, chunk)
    # A fresh interpreter: a forked one would inherit locks of running threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(0,))
    try:
        ahead = 2 * workers
        pending = deque(pool.submit(_render_chunk, settings, partial, chunk) for chunk in range(ahead))
        for chunk in itertools.count(ahead):
            yield pending.popleft().result()
            pending.append(pool.submit(_render_chunk, settings, partial, chunk))
    finally:
        pool.shutdown(cancel_futures=True)


def _render_chunk(settings: Settings, partial: Path, chunk: int) -> list[list[JsonObject]]:
    """Draw a chunk of images, or read what an earlier run noted of it; one list of annotations per image."""
    note = partial / f"chunk-{chunk:06d}.json"
    if note.exists():
        noted: list[list[JsonObject]] = json.loads(note.read_bytes())
        return noted
    annotations = []
    for number in range(chunk * _CHUNK + 1, (chunk + 1) * _CHUNK + 1):
        scene = render_image(settings, number)
        _write_jpeg(partial / image_name(number), scene)
        annotations.append([annotation_entry(person, number) for person in scene.people])
    _write_atomically(note, json.dumps(annotations).encode())
    return annotations


def _write_jpeg(path: Path, scene: Scene) -> None:
    # OpenCV's encoder takes BGR.
    done, encoded = cv2.imencode(".jpg", scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise OSError(f"the image could not be encoded as {path.name}")
    path.write_bytes(encoded.tobytes())


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)


def _keep_only(folder: Path, names: set[str]) -> None:
    """Delete the notes, and images that were drawn ahead, from the temporary folder."""
    for path in list(folder.iterdir()):
        if path.name not in names:
            path.unlink()
