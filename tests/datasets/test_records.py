from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.records import check_objects, integers, number_lists, numbers, positions, read_json
from elifpose.utils.errors import ElifPoseError

FILE = Path("a.json")


def records(*values: Any) -> list[dict[str, Any]]:
    """Records with ids from 1 and a value each."""
    return [{"id": i, "x": value} for i, value in enumerate(values, 1)]


def test_integers() -> None:
    np.testing.assert_array_equal(integers(FILE, "thing", records(3, 4.0, True, 2**62), "x"), [3, 4, 1, 2**62])
    np.testing.assert_array_equal(integers(FILE, "thing", [{}, *records(None, 5)], "x", -1), [-1, -1, 5])
    assert integers(FILE, "thing", [], "x").dtype == np.int64


@pytest.mark.parametrize("value", ["3", 1.5, None, [], float("nan"), float("inf"), 2**63, 10**400])
def test_what_is_no_integer_is_named(value: Any) -> None:
    with pytest.raises(ElifPoseError, match=r"a.json: thing with id 2: 'x' must be a whole number"):
        integers(FILE, "thing", records(1, value), "x")


def test_numbers() -> None:
    np.testing.assert_array_equal(numbers(FILE, "thing", records(3, 4.5, None), "x", np.nan), [3, 4.5, np.nan])


@pytest.mark.parametrize("value", ["3", None, [1], {}, True, 10**400])
def test_what_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ElifPoseError, match=r"thing with id 2: 'x' must be a number"):
        numbers(FILE, "thing", records(1, value), "x")


def test_lists_are_cut_to_the_shortest_allowed() -> None:
    values = number_lists(FILE, "thing", records([1, 2], [3, 4, 5, 6], None, [None, 8]), "x", (2, 4), 0.0)
    np.testing.assert_array_equal(values, [[1, 2], [3, 4], [0, 0], [np.nan, 8]])
    assert number_lists(FILE, "thing", [], "x", (2,), 0.0).shape == (0, 2)


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "ab", 5, [1, "2"], [1, [2]], [1, 10**400], {"a": 1, "b": 2}])
def test_what_is_no_such_list_is_named(value: Any) -> None:
    with pytest.raises(ElifPoseError, match=r"thing with id 2: 'x' must be .*numbers.*; mend the file"):
        number_lists(FILE, "thing", records([1, 2], value), "x", (2,), 0.0)


def test_positions_are_the_first() -> None:
    ids, wanted = np.array([7, 3, 7, 5]), np.array([7, 5, 4, 9, 3])
    np.testing.assert_array_equal(positions(ids, wanted), [0, 3, -1, -1, 1])
    np.testing.assert_array_equal(positions(ids[:0], wanted), [-1] * 5)


def test_broken_json_is_named_with_its_place() -> None:
    with pytest.raises(ElifPoseError, match=r"a.json is not valid JSON .*line 2, column 6"):
        read_json(b'{"a":\n     ]', FILE)
    for content in (b"\xff\xfe\xfd", b"[" * 100_000, b'{"a": "\x80"}', b"[" + b"9" * 5000 + b"]"):
        with pytest.raises(ElifPoseError, match=r"a\.json is not valid JSON"):
            read_json(content, FILE)


def test_entries_must_be_objects() -> None:
    with pytest.raises(ElifPoseError, match=r"a\.json: image number 1 is not an object but 'x'"):
        check_objects(FILE, "image", [{}, "x"])
