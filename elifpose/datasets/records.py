"""JSON objects to arrays, with an error that names the object at fault."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elifpose.utils.errors import ElifPoseError

Record = dict[str, Any]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def read_json(content: bytes, source: Path) -> Any:
    """Decode JSON; `ElifPoseError` with the file and the place where it breaks."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ElifPoseError(
            f"{source} is not valid JSON ({error.msg}, {place}); mend it or fetch it again"
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ElifPoseError(f"{source} is not valid JSON ({error}); mend it or fetch it again") from error


def check_objects(source: Path, kind: str, records: Sequence[Any]) -> None:
    """`ElifPoseError` if an entry of a list is not a JSON object."""
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise ElifPoseError(f"{source}: {kind} number {position} is not an object but {short(record)}; mend it")


def integers(source: Path, kind: str, records: Sequence[Record], key: str, default: int | None = None) -> IntArray:
    """``(N,)`` whole numbers, one from each record.

    Args:
        source: The file, for errors.
        kind: What the records are, for errors.
        records: ``N`` JSON objects.
        key: Which of their values.
        default: What a missing or null value counts as; an error if None.

    Raises:
        ElifPoseError: If a value is missing, not a whole number or beyond 64 bits.
    """
    values = _values(records, key, default)
    if all(type(value) is int and abs(value) < 1 << 63 for value in values):
        return np.array(values, np.int64)
    for position, value in enumerate(values):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if not whole or abs(value) >= 1 << 63:
            _refuse(source, kind, records[position], key, value, "a whole number")
    return np.array([int(value) for value in values], np.int64)


def numbers(source: Path, kind: str, records: Sequence[Record], key: str, default: float | None = None) -> FloatArray:
    """``(N,)`` numbers, one from each record; arguments and errors as `integers`."""
    values = _values(records, key, default)
    if all(type(value) in (float, int) for value in values):
        try:
            return np.array(values, np.float64)
        except OverflowError:  # an integer beyond float64
            pass
    for position, value in enumerate(values):
        if not _is_number(value):
            _refuse(source, kind, records[position], key, value, "a number")
    return np.array(values, np.float64)


def number_lists(
    source: Path, kind: str, records: Sequence[Record], key: str, sizes: Sequence[int], fill: float, remedy: str = ""
) -> FloatArray:
    """``(N, min(sizes))`` numbers: a list of each record, cut to the shortest allowed length.

    Args:
        source: The file, for errors.
        kind: What the records are, for errors.
        records: ``N`` JSON objects.
        key: Which of their values.
        sizes: Allowed lengths; the first numbers of a longer list are taken.
        fill: What a missing or null list is full of.
        remedy: What to do about another length, for the error.

    Raises:
        ElifPoseError: If a value is no list of numbers, or of another length. A null among the numbers is NaN.
    """
    shortest = min(sizes)
    absent = [fill] * shortest
    lists = [absent if (value := record.get(key)) is None else value for record in records]
    for position, values in enumerate(lists):
        if not isinstance(values, list):
            _refuse(source, kind, records[position], key, values, "a list of numbers")
        if len(values) not in sizes:
            allowed = " or ".join(map(str, sizes))
            _refuse(source, kind, records[position], key, values, f"{allowed} numbers (it has {len(values)})", remedy)
    try:
        flat = [values[:shortest] if len(values) > shortest else values for values in lists]
        if not any(str in set(map(type, values)) for values in flat):
            return np.array(flat, np.float64).reshape(len(records), shortest)
    except (TypeError, ValueError, OverflowError):
        pass
    for position, values in enumerate(lists):
        if bad := [value for value in values if value is not None and not _is_number(value)]:
            _refuse(source, kind, records[position], key, bad[0], "a list of numbers")
    raise AssertionError("unreachable: some value is no number")


def positions(ids: IntArray, wanted: IntArray) -> npt.NDArray[np.int32]:
    """For each of ``wanted``, its first position in ``ids``, or -1."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int32)
    order = np.argsort(ids, kind="stable")
    found = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
    return np.where(ids[found] == wanted, found, -1).astype(np.int32)


def short(value: object) -> str:
    """A JSON value as errors show it: 60 characters at most."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _values(records: Sequence[Record], key: str, default: object) -> list[Any]:
    values = [record.get(key) for record in records]
    return values if default is None else [default if value is None else value for value in values]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _refuse(
    source: Path, kind: str, record: Record, key: str, value: object, expected: str, remedy: str = ""
) -> None:
    raise ElifPoseError(
        f"{source}: {kind} with id {short(record.get('id'))}: {key!r} must be {expected}, not {short(value)}"
        f"; {remedy or 'mend the file'}"
    )
