from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.cli import main

Options = Callable[[Path, Path], list[str]]


@pytest.fixture
def show(rendered: Path, tmp_path: Path, options: Options) -> Callable[..., tuple[int, Path]]:
    """A function that runs ``elifpose data show`` with some words; gives its status and where the picture is."""

    def run(*words: str) -> tuple[int, Path]:
        out = tmp_path / "new" / "samples.png"
        return main(["data", "show", *options(rendered, tmp_path), "--out", str(out), *words]), out

    return run


@pytest.mark.parametrize(
    "words", [(), ("--plain",), ("--flip",), ("--split", "val"), ("--stage", "2", "--epoch", "9")]
)
def test_data_show_writes_a_sheet(show: Callable[..., tuple[int, Path]], words: tuple[str, ...]) -> None:
    status, out = show("--count", "3", "--columns", "2", *words)
    assert status == 0
    assert np.ptp(cv2.imread(str(out))) == 255  # type: ignore[arg-type]


def test_a_pair_is_never_torn_apart(show: Callable[..., tuple[int, Path]]) -> None:
    heights = []
    for columns in ("2", "3"):
        _, out = show("--count", "2", "--flip", "--columns", columns)
        heights.append(cv2.imread(str(out)).shape)  # type: ignore[union-attr]
    assert heights[0] == heights[1]


def test_more_than_there_are_shows_all_and_says_so(
    show: Callable[..., tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show("--count", "500", "--split", "val")[0] == 0
    assert "--count 500: there are only 9 people; all are shown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "coco"), "no set to train on is named 'coco'; there are synthetic"),
        (("--count", "0"), "--count is 0; it must be at least 1"),
        (("--count", "16", "--columns", "9000"), "16 crops in 9000 columns"),
        (("--columns", "0"), "--columns is 0; it must be at least 1"),
        (("--data.train", "{}"), "no set to train on"),
        (("--out", "samples.jpg"), "does not end in .png"),
    ],
)
def test_what_does_not_fit_is_one_line(
    show: Callable[..., tuple[int, Path]], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    status, out = show(*words)
    assert status == 1
    assert told in capsys.readouterr().err
    assert not out.exists()
