"""What the image files themselves say: read and decoded, by several processes."""

import hashlib
import os
import signal
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray, decode_image, stored_size

MISSING, BROKEN, DAMAGED = "image missing", "image broken", "image damaged?"

_CHUNK = 16  # files that a process reads before it reports
_HEAD, _TAIL = 1 << 16, 1 << 12
_ENDS = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"\x89PNG", b"IEND"))
_TORN = "premature end"  # what the JPEG decoder says of a picture that lacks a part in its middle


class Picture(NamedTuple):
    """What was found of one file."""

    size: tuple[int, int] | None
    """Width and height as stored, pixels; None where it is no whole picture."""
    digest: bytes
    """Equal for files of equal content; empty where nothing could be read."""
    kind: str = ""
    """`MISSING`, `BROKEN`, or `DAMAGED` where it was decoded although the decoder complained; else empty."""
    reason: str = ""


def read_pictures(paths: Iterable[str], quick: bool, workers: int) -> Iterator[Picture]:
    """Look at files, in order.

    Args:
        paths: The files.
        quick: Whether a file's first 64 kB and last 4 kB are enough: nothing is decoded where they tell size and end.
        workers: Processes; 0 reads in this one.

    Raises:
        ElifPoseError: If a process was killed.
    """
    look = partial(read_picture, quick=quick)
    if not workers:
        yield from map(look, paths)
        return
    # A fresh interpreter: a forked one would inherit locks of running threads.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare_process)
    try:
        yield from pool.map(look, paths, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise ElifPoseError("a process that reads images was killed; try again with fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_process() -> None:
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when to stop


def read_picture(path: str, quick: bool) -> Picture:
    """Look at one file; arguments as `read_pictures`."""
    try:
        content = _ends(path) if quick else Path(path).read_bytes()
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if quick and (size := stored_size(path)) and _ends_well(content):
            return Picture(size, digest)
        image, complaint = _decode(Path(path).read_bytes() if quick else content)
    except FileNotFoundError:
        return Picture(None, b"", MISSING, "there is no such file")
    except OSError as error:
        return Picture(None, b"", BROKEN, f"it cannot be read: {error.strerror}")
    except ElifPoseError as error:
        return Picture(None, digest, BROKEN, str(error))
    if _TORN in complaint:
        return Picture(None, digest, BROKEN, f"a part of it is missing: {complaint}")
    size = (image.shape[1], image.shape[0])
    return Picture(size, digest, DAMAGED, complaint) if complaint else Picture(size, digest)


def _ends(path: str) -> bytes:
    """The first and the last part of a file, and its length, so that they tell it from others."""
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
        length = file.seek(0, os.SEEK_END)
        file.seek(max(len(head), length - _TAIL))
        return b"%s%d%s" % (head, length, file.read())


def _ends_well(content: bytes) -> bool:
    return any(content.startswith(start) and end in content[-_TAIL:] for start, end in _ENDS)


def _decode(content: bytes) -> tuple[ImageArray, str]:
    """The picture, and what the decoder wrote on the standard error of the process: it says in no other way."""
    with tempfile.TemporaryFile() as kept:
        with _standard_error_to(kept.fileno()):
            image = decode_image(content, "it")
        kept.seek(0)
        return image, " ".join(kept.read().decode(errors="replace").split())


@contextmanager
def _standard_error_to(descriptor: int) -> Iterator[None]:
    before = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
