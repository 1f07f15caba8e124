from pathlib import Path

import numpy as np
import pytest

from elifpose.datasets.columns import read_columns, write_columns

ARRAYS = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "nobody": np.empty((0, 17, 2)),
    "flags": np.array([True, False]),
    "bytes": np.frombuffer(b"caf\xc3\xa9", np.uint8),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    write_columns(tmp_path / "a", ARRAYS, {"from": "éa", "size": 3})
    stored = read_columns(tmp_path / "a")
    assert stored is not None
    assert stored.stamp == {"from": "éa", "size": 3}
    assert list(stored.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(stored.arrays[name], array)
        assert stored.arrays[name].dtype == array.dtype
        assert not stored.arrays[name].flags.writeable
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_any_cut_file_is_refused(tmp_path: Path) -> None:
    write_columns(tmp_path / "whole", ARRAYS, {})
    content = (tmp_path / "whole").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "cut").write_bytes(content[:length])
        assert read_columns(tmp_path / "cut") is None
    assert read_columns(tmp_path / "absent") is None


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    write_columns(tmp_path / "whole", ARRAYS, {"from": "a"})
    content = (tmp_path / "whole").read_bytes()
    for place in range(content.index(b'"bytes": ')):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "damaged").write_bytes(damaged)
        assert read_columns(tmp_path / "damaged") is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_columns(tmp_path / "a", {"x": np.arange(3)}, {})
    with pytest.raises(TypeError):
        write_columns(tmp_path / "a", {"x": np.arange(4)}, {"not JSON": object()})
    with pytest.raises(TypeError, match="'x' holds Python objects"):
        write_columns(tmp_path / "a", {"x": np.array([object()])}, {})

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="no space"):
            write_columns(tmp_path / "a", {"x": np.arange(4)}, {})
    stored = read_columns(tmp_path / "a")
    assert stored is not None
    assert stored.arrays["x"].tolist() == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1
