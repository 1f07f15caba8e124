"""Evaluation and quantization on the command line, as a user would type them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from elifpose.cli import main
from elifpose.datasets.corruption import CORRUPTIONS

Options = Callable[[Path, Path], list[str]]
LAST = "lightning_logs/version_0/checkpoints/last.ckpt"


def test_an_evaluation_writes_figures_keypoints_and_results(
    options: Options, fitted: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", *options(rendered, tmp_path), "--ckpt_path", str(fitted / LAST), "--robustness"]) == 0
    printed = capsys.readouterr().out
    assert "synthetic, per keypoint" in printed
    assert "Robustness" in printed
    folder = tmp_path / "lightning_logs/version_0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["facts"]["checkpoint"] == str(fitted / LAST)
    assert metrics["facts"]["weights"] == "averaged"
    with (folder / "robustness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["AP"]) == metrics["sets"]["synthetic"]["figures"]["AP"]
    assert len(rows) == 1 + len(CORRUPTIONS)
    results = str(folder / "synthetic_results.json")
    assert main(["validate", *options(rendered, tmp_path), "--results", results, str(folder)]) == 0
    assert "A and B are not distinguishable" in " ".join(capsys.readouterr().out.split())


def test_predictions_say_where_they_are_from(options: Options, fitted: Path, rendered: Path, tmp_path: Path) -> None:
    more = ["--ckpt_path", str(fitted / LAST), "--weights=trained"]
    assert main(["predict", *options(rendered, tmp_path), *more]) == 0
    folder = tmp_path / "lightning_logs/version_0"
    predictions = json.loads((folder / "synthetic_predictions.json").read_text())
    assert predictions["info"]["checkpoint"] == str(fitted / LAST)
    assert predictions["info"]["weights"] == "trained"
    assert yaml.safe_load(predictions["info"]["config"])["model"]["skeleton"] == "halpe26"
    assert len(predictions["annotations"]) == len(json.loads((folder / "synthetic_results.json").read_text())) == 9
    assert (folder / "synthetic_predictions.csv").read_text().startswith("# keypoints in image pixels")


def test_a_set_without_annotations_gives_a_file_to_submit(
    options: Options, fitted: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((rendered / "annotations/person_keypoints_val2017.json").read_text())
    boxes = [
        {key: of[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5} for of in truth["annotations"]
    ]
    del truth["annotations"]
    (tmp_path / "images.json").write_text(json.dumps(truth))
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    more = ["--ckpt_path", str(fitted / LAST), f"--data.val.synthetic.annotations={tmp_path / 'images.json'}"]
    more += [f"--data.boxes={tmp_path / 'boxes.json'}"]
    assert main(["test", *options(rendered, tmp_path), *more]) == 0
    assert "nobody is annotated" in capsys.readouterr().out
    results = json.loads((tmp_path / "lightning_logs/version_0/synthetic_results.json").read_text())
    assert 0 < len(results) <= len(boxes)
    assert main(["validate", *options(rendered, tmp_path), *more]) == 1
    assert "images.json" in capsys.readouterr().err


def test_the_command_line_wins_over_the_checkpoint(
    options: Options, fitted: Path, rendered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = ["--ckpt_path", str(fitted / LAST), "--model.optimizer.init_args.lr=0.5", "--trainer.max_epochs=2"]
    assert main(["fit", *options(rendered, tmp_path), *more, "--model.codec.sigma=[5.0,5.0]"]) == 0
    assert "learning rate: 0.5 (the checkpoint had 0.004)" in caplog.text
    assert "codec.sigma: [5.0, 5.0] (the checkpoint had [6.0, 7.0])" in caplog.text
    (resumed,) = tmp_path.rglob("last.ckpt")
    groups = torch.load(resumed, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert all(group["initial_lr"] == 0.5 for group in groups)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ([], "needs trained weights"),
        (["--ckpt_path", "best"], "no run in"),
        (["--results", "nothing.json"], "no file nothing.json"),
        (["--results", __file__], "not valid JSON"),
        (["--ckpt_path", "FITTED", "--model.network.backbone.widen_factor=0.25"], "widen_factor: 0.25"),
        (["--ckpt_path", "FITTED", "--data.boxes=nothing.json"], "nothing.json"),
        (["--ckpt_path", "FITTED", "--model.evaluation.nme=[nose,tail]"], "no keypoint tail"),
        (["--ckpt_path", "FITTED", "--trainer.enable_checkpointing=false"], "save_top_k=0"),
    ],
)
def test_mistakes_in_an_evaluation_are_told_in_a_sentence(
    options: Options,
    change: list[str],
    expected: str,
    fitted: Path,
    rendered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change = [str(fitted / LAST) if word == "FITTED" else word for word in change]
    assert main(["validate", *options(rendered, tmp_path), *change]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("elifpose: error: ")
    assert expected in message


@pytest.mark.parametrize("way", ["=", "+="])
def test_quantization_aware_training_is_a_callback_away(
    options: Options, way: str, fitted: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last validation's figures are those of its checkpoint, evaluated without the callback."""
    short = [f"--trainer.callbacks{way}QATCallback", "--trainer.callbacks.start=0"]
    short += ["--trainer.callbacks.calibration_batches=2", "--trainer.callbacks.spec.observer=percentile"]
    short += ["--trainer.callbacks.spec.float_layers=[head.gau]", "--checkpoint.monitor=val/int8/AP"]
    start = ["--model.init_from", str(fitted / LAST), "--model.auxiliary_weight=0"]
    assert main(["fit", *options(rendered, tmp_path), *short, *start]) == 0
    checkpoint = tmp_path / LAST
    content = torch.load(checkpoint, weights_only=True)
    spec = content["elifpose"]["quantization"]["spec"]
    assert spec["observer"] == "percentile"
    assert spec["float_layers"] == ("head.gau",)
    (kept,) = (state for name, state in content["callbacks"].items() if name.startswith("ModelCheckpoint"))
    if way == "=":
        return
    capsys.readouterr()
    for run, (precision, network) in enumerate((("int8", "int8"), ("float", "fake-quantized")), start=1):
        more = ["--ckpt_path", str(checkpoint), "--precision", precision]
        assert main(["validate", *options(rendered, tmp_path), *more]) == 0
        assert f"{network} network" in " ".join(capsys.readouterr().out.split())
        metrics = json.loads((tmp_path / f"lightning_logs/version_{run}/metrics.json").read_text())
        assert metrics["facts"]["network"] == network
        if precision == "int8":
            assert metrics["sets"]["synthetic"]["figures"]["AP"] == float(kept["current_score"])


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_integers_of_a_float_checkpoint_are_refused(
    options: Options, command: str, fitted: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--ckpt_path", str(fitted / LAST), "--precision=int8"]
    assert main([command, *options(rendered, tmp_path), *more]) == 1
    assert "configs/qat.yaml --model.init_from FILE" in capsys.readouterr().err.splitlines()[-1]


def test_the_callbacks_help_says_what_its_options_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--trainer.callbacks.help", "QATCallback"])
    assert stopped.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "0 is the beginning, for a finetune of a float network" in told
    assert "--trainer.callbacks.spec.sixteen_bit_layers" in told
