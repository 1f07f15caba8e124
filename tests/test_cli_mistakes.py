"""What a user who typed something wrong is told."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningCLI

from elifpose.cli import main

CONFIGS = Path(__file__).parents[1] / "configs"
Options = Callable[[Path, Path], list[str]]


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ftt"]) == 1
    assert "no command 'ftt'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (["--data.root", "nowhere"], "nowhere"),
        (["--model.init_from", "nothing.ckpt"], "no file nothing.ckpt"),
        (["--ckpt_path", "nothing.ckpt"], "nothing.ckpt"),
        (["--model.auxiliary_weight=0.1", "--model.network.backbone.out_stages=[4]"], "out_stages=[3,4]"),
        (["--model.codec.sigma=[0,1]"], "sigma"),
        (["--data.batch_size=0"], "batch_size"),
        (["--data.geometry.flip_prob=3"], "flip_prob is 3.0; it must be"),
        (["--trainer.devices=abc"], "correct the --trainer options"),
        (["--trainer.max_epochs=-7"], "the trainer says: `max_epochs`"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    options: Options,
    change: list[str],
    expected: str,
    rendered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fit", *options(rendered, tmp_path), *change]) == 1
    _, error, message = capsys.readouterr().err.partition("elifpose: error: ")
    assert error
    assert expected in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("model: {wieght_decay: 1}", "does not accept option 'model.wieght_decay'"),
        ("model: {skeleton: halpe27}", "error: there is no skeleton 'halpe27'"),
        ("model: [", "layer.yaml: "),
        ("data: {batch_size: many}", "--data.batch_size: Expected int. Got value: many"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(
    options: Options, layer: str, expected: str, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "layer.yaml"
    path.write_text(layer)
    assert main(["fit", *options(rendered, tmp_path), "--config", str(path)]) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert expected in message


@pytest.mark.parametrize(
    ("options_given", "expected"),
    [
        (["fit", "--config=nowhere.yaml"], "nowhere.yaml'; correct the path"),
        (["validate"], "give --config FILE"),
        (["data", "show", "--config", "nowhere.yaml"], "nowhere.yaml'; correct the path"),
    ],
)
def test_a_configuration_that_is_not_there_is_a_sentence(
    options_given: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options_given) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("elifpose: error: ")
    assert message.endswith(expected)


def test_a_misspelt_option_is_no_abbreviation(
    options: Options, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *options(rendered, tmp_path), "--model.loss_bet=3", "--print_config"]) == 1
    assert "unrecognized arguments: --model.loss_bet=3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MisconfigurationException("No supported gpu backend found!"), "No supported gpu backend found!"),
        (RuntimeError("[pair.cc:553] Connection closed by peer [127.0.0.1]"), "another process of this run"),
    ],
)
def test_what_stops_a_trainer_is_told_in_a_sentence(
    raised: Exception, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(LightningCLI, "__init__", stopped)
    assert main(["fit"]) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert expected in message


def test_absent_files_are_told_before_there_is_another_process(
    options: Options,
    rendered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    assert main(["fit", *options(rendered, tmp_path), *two, "--data.root", "nowhere"]) == 1
    assert "data.val.synthetic: no images nowhere" in capsys.readouterr().err


def test_a_broken_image_stops_a_fit_with_its_name(
    coco_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "coco"
    for split in ("train2017", "val2017"):
        (root / split).mkdir(parents=True)
        (root / "annotations").mkdir(exist_ok=True)
        name = f"annotations/person_keypoints_{split}.json"
        (root / name).write_bytes((coco_root / name).read_bytes())
        for image in (coco_root / split).iterdir():
            whole = image.read_bytes()
            (root / split / image.name).write_bytes(whole[:2000] if split == "train2017" else whole)
    argv = ["--config", str(CONFIGS / "rtmpose-t_coco17_256x192.yaml"), "--data.root", str(root)]
    argv += ["--model.network.backbone.widen_factor=0.125", "--model.network.head.hidden_dims=32"]
    argv += ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}", "--data.num_workers=1"]
    assert main(["fit", *argv]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert ".jpg" in message
    assert "Traceback" not in message
