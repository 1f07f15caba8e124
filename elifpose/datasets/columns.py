"""Named NumPy arrays in one file that opens without being read: the form in which parsed annotations are kept.

Layout: eight bytes of magic, the header's length (uint64, little-endian), its BLAKE2b digest of 16 bytes, the header
(JSON), then the arrays, each at a multiple of 64 bytes. Processes that open the same file share its pages.
"""

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MAGIC = b"ELIFCOL2"
_DIGEST_BYTES = 16
_START = len(_MAGIC) + 8 + _DIGEST_BYTES
_ALIGNMENT = 64


class Columns(NamedTuple):
    """What a file of columns holds."""

    arrays: dict[str, Array]
    """By name; read-only views of the mapped file."""
    stamp: dict[str, Any]
    """What the writer noted about their origin."""


def write_columns(path: Path, arrays: Mapping[str, Array], stamp: Mapping[str, Any]) -> None:
    """Write arrays to ``path`` in one step: whoever opens it sees the old file or the new one, never half of it.

    Args:
        path: The file; its folder exists.
        arrays: By name; numbers or booleans.
        stamp: JSON values to find beside the arrays, such as what they were made from.

    Raises:
        TypeError: If an array holds Python objects.
        OSError: If the folder cannot be written to or the disk is full.
    """
    layout, offset = {}, 0
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"column {name!r} holds Python objects, not numbers")
        layout[name] = {"dtype": array.dtype.str, "shape": array.shape, "offset": offset}
        offset += _aligned(array.nbytes)
    header = json.dumps({"stamp": dict(stamp), "columns": layout, "bytes": offset}).encode()
    header += b" " * (_aligned(_START + len(header)) - _START - len(header))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + len(header).to_bytes(8, "little") + _digest(header) + header)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).data)
                file.write(b"\0" * (_aligned(array.nbytes) - array.nbytes))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_columns(path: Path) -> Columns | None:
    """Open a file of columns; None if there is none, or if it is not whole."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None
    end_of_length = _START - _DIGEST_BYTES
    start = _START + int.from_bytes(mapped[len(_MAGIC) : end_of_length], "little")
    content = mapped[_START:start]
    if mapped[: len(_MAGIC)] != _MAGIC or mapped[end_of_length:_START] != _digest(content):
        return None
    header = json.loads(content)
    if len(mapped) != start + header["bytes"]:
        return None
    return Columns(
        {name: _view(mapped, start, column) for name, column in header["columns"].items()}, header["stamp"]
    )


def _view(mapped: mmap.mmap, start: int, column: Mapping[str, Any]) -> Array:
    shape = tuple(column["shape"])
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(mapped, np.dtype(column["dtype"]), count, start + column["offset"]).reshape(shape)


def _digest(header: bytes) -> bytes:
    return hashlib.blake2b(header, digest_size=_DIGEST_BYTES).digest()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
