"""The command line, as a user would type it, on a few rendered people."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
import yaml

from elifpose import __version__
from elifpose.cli import build, main

CONFIGS = Path(__file__).parents[1] / "configs"
Options = Callable[[Path, Path], list[str]]
LAST = "lightning_logs/version_0/checkpoints/last.ckpt"
TINY = ("--model.network.backbone.widen_factor=0.125", "--model.network.head.hidden_dims=32")

OVERLAYS = {
    "from_scratch": ("rtmpose-t_coco17_256x192", "from_scratch"),
    "qat": ("rtmpose-t_coco17_256x192", "qat"),
    "overfit": ("rtmpose-t_coco17_256x192", "from_scratch", "overfit"),
}


def figures(text: str) -> str:
    """The row of average precision in what an evaluation printed."""
    assert "synthetic: 9 people in 6 images" in text
    return next(line for line in text.splitlines() if line.startswith("│ AP "))


def test_help_and_version_answer_without_torch() -> None:
    code = "import sys; from elifpose.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    for option, expected in (("--help", "validate"), ("--version", __version__)):
        done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
        assert expected in done.stdout


def test_ctrl_c_ends_a_command_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("elifpose.datasets.command.run", interrupted)
    assert main(["data", "stats"]) == 130
    assert capsys.readouterr().err == "elifpose: stopped\n"


def test_a_fit_leaves_checkpoints_curves_and_figures(fitted: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fitted / "lightning_logs/version_0"
    assert (run / "config.yaml").is_file()
    assert (run / "checkpoints/last.ckpt").is_file()
    events = EventAccumulator(str(run))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/accuracy", "lr", "time/data", "time/samples_per_second", "val/AP"} <= set(
        tags["scalars"]
    )
    assert {"val/synthetic/AP", "val/synthetic/PCK@0.1", "val/synthetic/AUC", "val/PCK@0.1"} <= set(tags["scalars"])
    drawn = ["predictions", "simcc", "worst", "best", "errors", "keypoints", "reliability", "precision_recall"]
    assert set(tags["images"]) == {"train/mirrored", *(f"val/synthetic/{name}" for name in drawn)}
    assert any(tag.startswith("configuration") for tag in tags["tensors"])


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_checkpoint_validates_to_the_fits_last_figures(
    options: Options, command: str, fitted: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = fitted / LAST
    module, datamodule = build(options(rendered, tmp_path))
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    (again,) = (trainer.validate if command == "validate" else trainer.test)(
        module, datamodule, ckpt_path=str(checkpoint), verbose=False
    )
    of_fit = torch.load(checkpoint, weights_only=True)["callbacks"]
    (kept,) = (state for name, state in of_fit.items() if name.startswith("ModelCheckpoint"))
    split = "val" if command == "validate" else "test"
    assert again[f"{split}/AP"] == float(kept["current_score"])
    assert main([command, *options(rendered, tmp_path), "--ckpt_path", str(checkpoint)]) == 0
    assert figures(capsys.readouterr().out)


def test_the_average_is_validated_and_saved(fitted: Path) -> None:
    checkpoint = torch.load(fitted / LAST, weights_only=True)
    averaged, trained = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert averaged.keys() == trained.keys()
    assert any(not torch.equal(averaged[name], trained[name]) for name in averaged)


def test_a_fit_goes_on_from_its_last_checkpoint(
    options: Options, fitted: Path, rendered: Path, tmp_path: Path
) -> None:
    checkpoint = fitted / LAST
    more = ["--trainer.max_epochs", "2", "--ckpt_path", str(checkpoint)]
    assert main(["fit", *options(rendered, tmp_path), *more]) == 0
    (resumed,) = tmp_path.rglob("last.ckpt")
    assert torch.load(resumed, weights_only=True)["epoch"] == 1


@pytest.mark.parametrize("which", ["last", "best"])
def test_the_newest_runs_checkpoints_go_by_name(
    options: Options, which: str, fitted: Path, rendered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", *options(rendered, fitted), "--ckpt_path", which]) == 0
    assert figures(capsys.readouterr().out)


def test_two_processes_fit_and_measure_as_one(options: Options, rendered: Path, tmp_path: Path) -> None:
    """The average precision of a fit in two processes is that of its checkpoint in one."""
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.num_sanity_val_steps", "0"]
    command = [sys.executable, "-m", "elifpose", "fit", *options(rendered, tmp_path), *two]
    subprocess.run(command, check=True, capture_output=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})
    (checkpoint,) = tmp_path.rglob("last.ckpt")
    (kept,) = (
        state
        for name, state in torch.load(checkpoint, weights_only=True)["callbacks"].items()
        if name.startswith("ModelCheckpoint")
    )
    module, datamodule = build(options(rendered, tmp_path))
    trainer = pl.Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False)
    (figures_of_one,) = trainer.validate(module, datamodule, ckpt_path=str(checkpoint), verbose=False)
    assert figures_of_one["val/AP"] == float(kept["current_score"])


def test_new_fits_start_from_weights(options: Options, fitted: Path, rendered: Path, tmp_path: Path) -> None:
    checkpoint = fitted / LAST
    run = ["--trainer.fast_dev_run", "1", "--model.init_from", str(checkpoint)]
    assert main(["fit", *options(rendered, tmp_path), *run]) == 0


def test_callbacks_are_given_by_their_short_names(options: Options, rendered: Path, tmp_path: Path) -> None:
    more = ["--trainer.callbacks+=AugmentationSwitch", "--trainer.callbacks.final_epochs=1"]
    more += ["--trainer.callbacks+=LearningRateMonitor", "--trainer.max_steps=2"]
    assert main(["fit", *options(rendered, tmp_path), *more]) == 0
    config = yaml.safe_load((tmp_path / "lightning_logs/version_0/config.yaml").read_text())
    names = [callback["class_path"].rsplit(".")[-1] for callback in config["trainer"]["callbacks"]]
    assert names == ["AugmentationSwitch", "LearningRateMonitor"]


def test_later_configurations_and_options_win(
    options: Options, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = tmp_path / "layer.yaml"
    layer.write_text("model: {auxiliary_weight: 0.25, loss_beta: 7.0}\n")
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *options(rendered, tmp_path), "--config", str(layer), "--model.loss_beta=5", "--print_config"])
    assert stopped.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["auxiliary_weight"] == 0.25
    assert printed["model"]["loss_beta"] == 5
    assert printed["model"]["network"]["backbone"]["widen_factor"] == 0.125


def test_build_gives_what_fit_would_train(options: Options, rendered: Path, tmp_path: Path) -> None:
    module, datamodule = build(["fit", *options(rendered, tmp_path)])
    again, _ = build(options(rendered, tmp_path))
    assert module.network.head.num_keypoints == 26
    assert datamodule.input_size == (96, 128)
    for (name, weight), other in zip(module.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(weight, other), name


@pytest.mark.filterwarnings("ignore:.*validation images are also trained on")  # what overfit.yaml is for
@pytest.mark.filterwarnings("ignore:sets that are not there are left out")
@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_trains_and_validates(
    config: Path, coco_root: Path, halpe_root: Path, rendered: Path, tmp_path: Path
) -> None:
    root = coco_root if "coco17" in config.stem else halpe_root if "halpe26" in config.stem else rendered
    layers = [config]
    if config.stem in OVERLAYS:
        root, layers = coco_root, [CONFIGS / f"{name}.yaml" for name in OVERLAYS[config.stem]]
    argv = [word for layer in layers for word in ("--config", str(layer))]
    argv += ["--data.root", str(root), "--data.batch_size=2", "--data.num_workers=0", "--trainer.fast_dev_run=1"]
    argv += ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.strategy=auto"]
    argv += [f"--trainer.default_root_dir={tmp_path}", "--model.flip_test=false"]
    argv += [f"--data.allow_missing={'body8' in config.stem}".lower()]  # two of its sets are rendered
    assert main(["fit", *argv]) == 0


def test_the_weights_that_a_checkpoint_started_from_may_be_gone(
    options: Options, fitted: Path, rendered: Path, tmp_path: Path
) -> None:
    gone = ["--model.init_from", "gone.ckpt"]
    assert main(["validate", *options(rendered, tmp_path), *gone, "--ckpt_path", str(fitted / LAST)]) == 0


def test_a_runs_own_configuration_builds_again(fitted: Path) -> None:
    configuration = next(fitted.rglob("config.yaml"))
    assert "ckpt_path" in yaml.safe_load(configuration.read_text())
    module, _ = build(["--config", str(configuration)])
    assert module.network.head.num_keypoints == 26


def test_the_module_alone_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "elifpose", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"elifpose {__version__}\n"
