import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elifpose.cli import main
from elifpose.datasets.verification import command

Options = Callable[[Path, Path], list[str]]


def verify(tmp_path: Path, options: list[str], *more: str) -> tuple[int, dict[str, Any]]:
    report = tmp_path / "made/report.json"
    status = main(["data", "verify", *options, "--workers", "0", "--report", str(report), *more])
    return status, json.loads(report.read_text())


def test_sound_sets_end_with_0_and_a_report(
    rendered: Path, tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = verify(tmp_path, options(rendered, tmp_path))
    assert status == 0
    assert report["problems"] == []
    assert [of["splits"] for of in report["sets"]] == [["train"], ["val", "test", "predict"]]
    printed = capsys.readouterr()
    assert "synthetic (train): 0 to mend" in printed.out
    assert f"report: {tmp_path / 'made/report.json'}" in printed.out


def test_something_to_mend_ends_with_1(rendered: Path, tmp_path: Path, options: Options) -> None:
    status, report = verify(tmp_path, options(rendered, tmp_path), "--data.train.synthetic.images=nowhere", "--quick")
    assert status == 1
    (problem,) = report["problems"]
    assert problem["severity"] == "mend"
    assert problem["file"] == str(rendered / "nowhere")
    assert report["images_read"] == "headers and ends"


@pytest.mark.parametrize("more", [("--workers", "-1"), ("--report", ".")])
def test_impossible_wishes_are_one_line(
    rendered: Path, tmp_path: Path, options: Options, more: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify", *options(rendered, tmp_path), *more]) == 1
    assert f"elifpose: error: {more[0]}" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_before_anything_is_read(
    rendered: Path, tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["data", "verify", *options(rendered, tmp_path), "--report", str(tmp_path / "file/a.json")]) == 1
    printed = capsys.readouterr()
    assert "synthetic" not in printed.out
    assert f"--report: {tmp_path / 'file/a.json'} cannot be written" in printed.err


def test_a_stop_leaves_no_report(
    rendered: Path,
    tmp_path: Path,
    options: Options,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "verify", stop)
    report = tmp_path / "report.json"
    assert main(["data", "verify", *options(rendered, tmp_path), "--report", str(report)]) == 130
    assert not report.exists()
    assert "no report was written" in capsys.readouterr().err
