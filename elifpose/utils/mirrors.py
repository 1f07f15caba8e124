"""Files of a known SHA-256, looked for in a folder and then brought there from wherever the user says."""

import hashlib
import re
import sys
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit
from uuid import uuid4

from rich.console import Console
from rich.progress import wrap_file

from elifpose import __version__
from elifpose.utils.errors import ElifPoseError

_BLOCK = 1 << 20
_TIMEOUT_S = 30.0
"""How long a mirror may keep silent."""


def fetch(name: str, mirrors: Sequence[str], sha256: str, folder: Path) -> Path:
    """Find a file in a folder, or bring it there from the first mirror that has it.

    The file is used only if its bytes have that SHA-256, and appears in the folder only when it is whole.

    Args:
        name: Of the file, without a folder.
        mirrors: Where to look, in order: folders, or addresses (``https://``, ``http://``, ``file://``) behind which
            the name is put.
        sha256: Of the file, 64 hexadecimal digits.
        folder: Where the file lies or will lie; it is made if needed.

    Returns:
        The file in the folder.

    Raises:
        ElifPoseError: No mirror has it, the folder has another file of that name or cannot be made, or an argument is
            malformed.
    """
    sha256 = sha256.lower()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ElifPoseError(f"the SHA-256 {sha256!r} is none; give the 64 digits that `sha256sum FILE` prints")
    if name in ("", "..") or Path(name).name != name:
        raise ElifPoseError(f"mirrors are searched for a file's name, and {name!r} is none; give it without a folder")
    target = folder / name
    if target.is_file():
        return _checked(target, sha256)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ElifPoseError(f"{folder}: the folder cannot be made ({error}); choose another one") from error
    said = []
    for mirror in mirrors:
        try:
            return _bring(mirror, target, sha256)
        except (OSError, HTTPException, ValueError) as error:
            said.append(f"{mirror}: {error}")
    answers = "; ".join(said) or "none was given"
    raise ElifPoseError(f"{name} is not in {folder} and on no mirror ({answers}); give a mirror that has it")


def _checked(file: Path, sha256: str) -> Path:
    """The user's file, if it is the right one; nothing is written over another one."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        raise ElifPoseError(f"{file} has the SHA-256 {found}, not {sha256}; move it away, or give its own")
    return file


def _bring(mirror: str, target: Path, sha256: str) -> Path:
    """Copy a file from a mirror under a passing name; it gets its own once its digest is right."""
    part = target.with_name(f"{target.name}.{uuid4().hex}.part")
    source, size = _open(mirror, target.name)
    quiet, console = not sys.stderr.isatty(), Console(stderr=True)
    try:
        with (
            source,
            wrap_file(source, size, description=target.name, console=console, disable=quiet) as reader,
            part.open("xb") as file,
        ):
            found = _copy(reader, file)
        if found != sha256:
            raise ValueError(f"its file is another one, or cut short: SHA-256 {found}")
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _open(mirror: str, name: str) -> tuple[BinaryIO, int]:
    """A mirror's file and its number of bytes, 0 if that is not said."""
    if "://" not in mirror:
        path = Path(mirror).expanduser() / name
        return path.open("rb"), path.stat().st_size
    if urlsplit(mirror).scheme not in ("https", "http", "file"):
        raise ValueError("is no folder, and its address does not begin with https://, http:// or file://")
    address = f"{mirror.rstrip('/')}/{quote(name)}"
    request = urllib.request.Request(address, headers={"User-Agent": f"elifpose/{__version__}"})  # noqa: S310
    response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310  # the scheme was looked at
    return response, int(response.headers.get("Content-Length", 0))


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    """Copy to the end; the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()
