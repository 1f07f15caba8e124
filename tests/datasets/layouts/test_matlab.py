import io
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from elifpose.datasets.layouts.matlab import read_mat, structures
from elifpose.utils.errors import ElifPoseError

FILE = Path("a.mat")


def content() -> bytes:
    """A MATLAB file of a matrix and a structure."""
    file = io.BytesIO()
    savemat(file, {"matrix": np.arange(6.0).reshape(2, 3), "one": {"name": "x", "size": 3}})
    return file.getvalue()


def test_variables_come_by_name() -> None:
    variables = read_mat(content(), FILE)
    np.testing.assert_array_equal(variables["matrix"], [[0, 1, 2], [3, 4, 5]])
    assert structures(variables["one"]) == [{"name": "x", "size": 3}]


def test_structures_of_none_one_and_many() -> None:
    one = {"x": 1}
    assert structures(one) == [one]
    assert structures([one, one]) == [one, one]
    assert structures(np.array([one, one], object)) == [one, one]
    for nothing in (None, np.zeros((0, 0)), 3.0, "text"):
        assert structures(nothing) == []


@pytest.mark.parametrize("broken", [b"", b"text", content()[:200], content()[:-9], b"\x89HDF" + b"\0" * 200])
def test_broken_files_are_named(broken: bytes) -> None:
    with pytest.raises(ElifPoseError, match=r"^a\.mat is not a MATLAB file that can be read"):
        read_mat(broken, FILE)


def test_version_7_3_is_named() -> None:
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with pytest.raises(ElifPoseError, match=r"^a\.mat is a MATLAB file of version 7\.3; save it as -v7"):
        read_mat(header + b"\0" * 400, FILE)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ElifPoseError, match=r"a\.mat is a MATLAB file, which needs scipy; .*elifpose\[mat\]"):
        read_mat(content(), FILE)
