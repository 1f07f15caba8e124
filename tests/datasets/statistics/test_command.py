import json
from collections.abc import Callable
from pathlib import Path

import pytest

from elifpose.cli import main

Options = Callable[[Path, Path], list[str]]


@pytest.mark.parametrize("split", ["train", "val"])
def test_data_stats_prints_tables_and_writes_a_picture_and_numbers(
    rendered: Path, tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str], split: str
) -> None:
    picture, numbers = tmp_path / "new" / "statistics.png", tmp_path / "other" / "numbers.json"
    wanted = ["--split", split, "--out", str(picture), "--json", str(numbers)]
    assert main(["data", "stats", *options(rendered, tmp_path), *wanted]) == 0
    told = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in told.splitlines() if "png" not in line and "json" not in line) <= 100
    assert f"{split}: people" in told
    assert "left_big_toe" in told
    assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(numbers.read_text())
    annotated = json.loads((rendered / f"annotations/person_keypoints_{split}2017.json").read_text())["annotations"]
    assert document["split"] == split
    assert document["sets"]["synthetic"]["people"] == sum(person["num_keypoints"] > 0 for person in annotated)


def test_what_cannot_be_written_is_one_line(
    rendered: Path, tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "stats", *options(rendered, tmp_path), "--out", "statistics.pdf"]) == 1
    assert "does not end in .png" in capsys.readouterr().err
    out = ["--out", str(tmp_path / "s.png"), "--json", str(tmp_path)]
    assert main(["data", "stats", *options(rendered, tmp_path), *out]) == 1
    assert "--json" in capsys.readouterr().err
