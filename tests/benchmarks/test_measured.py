import argparse
import json
from pathlib import Path

import pytest
import run_all
from measured import BEGIN, END, Part, Run, block, document, has_place, replaced, shown
from rows import Row, read_rows, write_rows

ROOT = Path(__file__).parents[2]
COMMAND = ("python", "benchmarks/loader.py", "--annotations", "/home/somebody/val.json")
LOADER = Part("loader", COMMAND, 0.5, [Row("loading", "5.9 ×", "plain | simple"), Row("crops", "5.4 ×", "plain")])
OKS = Part("oks", ("python", "benchmarks/oks.py"))
RUN = Run("2026-01-02", 3.4, "2 cores of a CPU", {"Python": "3.12.1", "torch": "2.13.0"}, [LOADER, OKS])


def cells(line: str) -> list[str]:
    """Of a table's line, with ¦ for a | that is part of a cell."""
    return [cell.strip() for cell in line.replace("\\|", "¦").split("|")[1:-1]]


def test_a_table_has_a_row_for_each_figure_and_says_what_was_not_measured() -> None:
    """Every row has as many cells as the heading, and its command."""
    told, _, *table = block(RUN).splitlines()

    assert told == "Measured on 2026-01-02 in 3 minutes, on 2 cores of a CPU; Python 3.12.1, torch 2.13.0."
    command = "`python benchmarks/loader.py --annotations val.json`"
    assert [cells(line) for line in table[2:]] == [
        ["loading", "5.9 ×", "plain ¦ simple", command],
        ["crops", "5.4 ×", "plain", command],
        ["oks", "not measured", "", "`python benchmarks/oks.py`"],
    ]
    assert {len(cells(line)) for line in table} == {4}


def test_files_with_absolute_paths_are_shown_by_name() -> None:
    assert shown(COMMAND) == "python benchmarks/loader.py --annotations val.json"
    assert shown(("a", "data/of mine.ckpt")) == "a 'data/of mine.ckpt'"


def test_a_run_replaces_the_whole_of_what_another_wrote() -> None:
    text = f"Before\n\n{BEGIN}\n{END}\n\nAfter\n"

    first = replaced(text, "a figure\nof another day")
    second = replaced(first, "new")

    assert first == f"Before\n\n{BEGIN}\na figure\nof another day\n{END}\n\nAfter\n"
    assert second == f"Before\n\n{BEGIN}\nnew\n{END}\n\nAfter\n"
    assert replaced(second, "new") == second


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_text_without_one_place_for_the_table_is_told(text: str) -> None:
    assert not has_place(text)
    assert has_place(f"{BEGIN}\n{END}")


@pytest.mark.parametrize("path", ["README.md", "docs/benchmarks.md"])
def test_the_documentation_has_a_place_for_the_table(path: str) -> None:
    assert has_place((ROOT / path).read_text(encoding="utf-8"))


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert LOADER.rows is not None
    write_rows(tmp_path / "rows.json", LOADER.rows)
    write_rows(None, LOADER.rows)

    assert read_rows(tmp_path / "rows.json") == LOADER.rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


def test_the_json_holds_everything_of_a_run() -> None:
    loader, oks = json.loads(json.dumps(document(RUN)))["parts"]

    assert loader["rows"][1] == {"what": "crops", "figure": "5.4 ×", "compared_with": "plain"}
    assert (loader["command"], oks["rows"], oks["minutes"]) == (shown(COMMAND), None, None)


def test_the_closed_loop_takes_only_a_network_of_the_same_run() -> None:
    """Every part is a script that is there."""
    options = argparse.Namespace(parts=["closed_loop"], annotations=None, images=None, networks=None)
    alone = {part.name: part.command for part in run_all.parts(options)}
    options.parts.append("quickstart")
    together = {part.name: part.command for part in run_all.parts(options)}

    assert "--model" not in alone["closed_loop"]
    assert together["closed_loop"][-2:] == ["--model", run_all.NETWORK]
    assert all((ROOT / command[1]).is_file() for command in together.values())


def test_a_run_writes_after_each_part_and_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(replaced(f"{BEGIN}\n{END}\n", "| loading | 99 × |"))
    argv = ["run_all.py", "--parts", "oks", "start", "--out", str(tmp_path / "out.json"), "--into", str(page)]
    monkeypatch.setattr("sys.argv", argv)
    seen: list[str] = []

    def measured(part: Part) -> Part:
        seen.append(page.read_text())
        return part if part.name == "oks" else part._replace(rows=[Row("a start", "12 ms", "")])

    monkeypatch.setattr(run_all, "measured", measured)

    assert run_all.main() == 1
    assert len(seen) == 2
    assert "not measured" in seen[1]
    assert "99 ×" not in seen[1]
    assert "| a start | 12 ms |" in page.read_text()
    rows = {part["name"]: part["rows"] for part in json.loads((tmp_path / "out.json").read_text())["parts"]}
    assert rows["oks"] is None
    assert rows["start"] == [{"what": "a start", "figure": "12 ms", "compared_with": ""}]


def test_a_file_without_a_place_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("no place")
    monkeypatch.setattr("sys.argv", ["run_all.py", "--into", str(page)])

    with pytest.raises(SystemExit):
        run_all.main()
    assert f"{page} must have the lines" in capsys.readouterr().err
