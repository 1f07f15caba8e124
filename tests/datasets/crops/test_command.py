from collections.abc import Callable
from pathlib import Path

import pytest

from elifpose.cli import build, main

Options = Callable[[Path, Path], list[str]]


def cache(rendered: Path, options: Options, tmp_path: Path) -> int:
    return main(["data", "cache", *options(rendered, tmp_path), f"--data.crops={tmp_path / 'crops'}"])


def test_crops_are_written_once_and_then_trained_on(
    rendered: Path,
    options: Options,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert cache(rendered, options, tmp_path) == 0
    told = capsys.readouterr().out
    assert "synthetic: 16 people, 0." in told
    assert " MB, written\n" in told
    assert "GB are free there" in told
    content = (tmp_path / "crops" / "synthetic.crops").read_bytes()
    assert cache(rendered, options, tmp_path) == 0
    assert "all there already" in capsys.readouterr().out
    assert (tmp_path / "crops" / "synthetic.crops").read_bytes() == content

    _, data = build([*options(rendered, tmp_path), f"--data.crops={tmp_path / 'crops'}"])
    with caplog.at_level("INFO"):
        data.setup("fit")
        assert "crops" not in caplog.text  # what only looks at the sets does not read crops
        data.train_dataloader()
    assert "data set 'synthetic': reads 16 crops from" in caplog.text


def test_brackets_in_the_folders_name_are_shown(
    rendered: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "[red]").mkdir()
    assert cache(rendered, options, tmp_path / "[red]") == 0
    assert f"of crops in {tmp_path / '[red]' / 'crops'};" in capsys.readouterr().out


def test_an_absent_set_is_one_line(options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cache(tmp_path / "nowhere", options, tmp_path) == 1
    assert capsys.readouterr().err.startswith("elifpose: error: ")
