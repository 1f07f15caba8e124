from pathlib import Path

import pytest

from elifpose.cli import main


def test_data_synthesize_renders_both_splits(tmp_path: Path) -> None:
    options = ["--root", str(tmp_path), "--train", "2", "--val", "1", "--size", "64", "64"]
    assert main(["data", "synthesize", *options]) == 0
    names = {path.name for path in (tmp_path / "annotations").glob("*.json")}
    assert names == {"person_keypoints_train2017.json", "person_keypoints_val2017.json"}


def test_an_impossible_wish_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "synthesize", "--root", str(tmp_path), "--train", "0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("elifpose: error: ")
    assert error.count("\n") == 1


def test_a_command_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data"])
    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "stats", "show", "cache"])
def test_commands_on_a_configuration_ask_for_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", command]) == 1
    assert "give --config FILE" in capsys.readouterr().err


def test_a_configuration_is_given_as_to_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "-c", str(tmp_path / "absent.yaml")]) == 1
    assert "absent.yaml" in capsys.readouterr().err


def test_data_synthesize_motion_renders_a_video(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--seconds", "0.1", "--size", "64", "64"]
    assert main(["data", "synthesize-motion", *options]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"walk.mp4", "keypoints.json", "truth.csv"}


def test_a_misspelt_option_of_a_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data", "synthesize", "--rot", "x"])
    assert stopped.value.code == 2
    assert "--rot" in capsys.readouterr().err
