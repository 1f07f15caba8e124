from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.datasets.verification.pictures import BROKEN, DAMAGED, MISSING, read_picture, read_pictures

BOTH = pytest.mark.parametrize("quick", [False, True])


def encoded(extension: str, seed: int = 0) -> bytes:
    """A picture 64 wide and 48 high."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return cv2.imencode(extension, pixels)[1].tobytes()


def write(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


@BOTH
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
def test_a_whole_picture_has_its_size(tmp_path: Path, extension: str, quick: bool) -> None:
    picture = read_picture(write(tmp_path, f"a{extension}", encoded(extension)), quick)
    assert (picture.size, picture.kind, picture.reason) == ((64, 48), "", "")


@BOTH
def test_digests_are_equal_where_contents_are(tmp_path: Path, quick: bool) -> None:
    contents = [encoded(".jpg"), encoded(".jpg", seed=1), encoded(".jpg")]
    first, second, third = (read_picture(write(tmp_path, f"{i}.jpg", c), quick) for i, c in enumerate(contents))
    assert first.digest == third.digest
    assert first.digest != second.digest


@BOTH
@pytest.mark.parametrize("content", [b"", b"no picture", encoded(".jpg")[:-100], encoded(".png")[:-100]])
def test_what_is_no_whole_picture_is_broken(tmp_path: Path, content: bytes, quick: bool) -> None:
    picture = read_picture(write(tmp_path, "a.jpg", content), quick)
    assert picture.size is None
    assert picture.kind == BROKEN
    assert picture.reason


@BOTH
def test_an_absent_file_is_missing(tmp_path: Path, quick: bool) -> None:
    picture = read_picture(str(tmp_path / "a.jpg"), quick)
    assert (picture.size, picture.kind) == (None, MISSING)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    assert read_picture(str(tmp_path), quick=False).kind == BROKEN


def test_a_part_missing_before_the_end_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = encoded(".jpg")
    picture = read_picture(write(tmp_path, "a.jpg", content[: len(content) // 2] + b"\xff\xd9"), quick=False)
    assert (picture.size, picture.kind) == (None, BROKEN)
    assert "part of it is missing" in picture.reason
    assert capfd.readouterr().err == ""


def test_what_the_decoder_complains_of_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = encoded(".jpg")
    picture = read_picture(write(tmp_path, "a.jpg", content[:-2] + b"\x11" * 40 + content[-2:]), quick=False)
    assert (picture.size, picture.kind) == ((64, 48), DAMAGED)
    assert "extraneous" in picture.reason
    assert capfd.readouterr().err == ""


def test_processes_find_the_same_in_the_same_order(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{i}.jpg", encoded(".jpg", i)) for i in range(20)] + [str(tmp_path / "none.jpg")]
    assert list(read_pictures(paths, quick=False, workers=1)) == list(read_pictures(paths, quick=False, workers=0))
