"""Quantization-aware training in two processes; this file is also the program that each of them runs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec
from elifpose.quantization.spec import Observer
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import ExponentialMovingAverage, QATCallback

SIZE = (64, 64)
OBSERVERS: tuple[Observer, ...] = ("minmax", "learned")


def module() -> ElifPoseModule:
    torch.manual_seed(0)
    head = RTMCCHead(64, 26, SIZE, hidden_dims=32, stride=16)
    return ElifPoseModule(PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(3,)), head), SimCC(SIZE))


def data(root: Path) -> PoseDataModule:
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    return PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=2, val_batch_size=2, num_workers=0)


class Kept(pl.Callback):
    """Writes what each process has in each step: the quantized network and the learned steps' gradients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.states: list[dict[str, torch.Tensor]] = []
        self.own: list[torch.Tensor] = []

    def on_after_backward(self, _trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Before the processes' gradients are averaged."""
        steps = cast("ElifPoseModule", pl_module).quantization.learned_steps()
        self.own += [torch.stack([cast("torch.Tensor", p.grad) for p in steps])] if steps else []

    def on_train_batch_end(self, _trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        # BatchNorm's statistics are the process's own until the next step begins.
        norms = ("running_mean", "running_var")
        self.states.append({k: v.clone() for k, v in pl_module.state_dict().items() if not k.endswith(norms)})

    def on_train_end(self, trainer: pl.Trainer, _pl_module: pl.LightningModule) -> None:
        torch.save({"states": self.states, "own": self.own}, self.folder / f"rank{trainer.global_rank}.pt")


def fit(root: Path, folder: Path, observer: Observer, ckpt_path: Path | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save = ModelCheckpoint(folder, "{epoch}", save_top_k=-1, monitor="val/int8/AP" if ckpt_path else None)
    callbacks = [
        QATCallback(1, 2, 3, calibration_batches=2, spec=QuantizationSpec(observer=observer)),
        ExponentialMovingAverage(momentum=0.1, gamma=4.0),
        Kept(folder),
        save,
    ]
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=3,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        accumulate_grad_batches=2,
        callbacks=callbacks,
        **quiet,
    )
    model = module()
    trainer.fit(model, data(root), ckpt_path=ckpt_path, weights_only=True)
    if trainer.is_global_zero:
        errors = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        torch.save(errors, folder / "figures.pt")


def program(root: Path, folder: Path) -> None:
    for observer in OBSERVERS:
        fit(root, folder / observer / "whole", observer)
        fit(root, folder / observer / "resumed", observer, folder / observer / "whole/epoch=1.ckpt")


@pytest.fixture(scope="module")
def fits(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the program's fits."""
    folder = tmp_path_factory.mktemp("fits")
    words = [sys.executable, __file__, str(rendered), str(folder)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def kept(folder: Path) -> list[Any]:
    """What the two processes kept."""
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_two_processes_keep_one_network(observer: Observer, fits: Path) -> None:
    first, second = kept(fits / observer / "whole")
    assert len(first["states"]) == len(second["states"]) > 6
    for mine, theirs in zip(first["states"], second["states"], strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name
    lows = [name for name in first["states"][-1] if name.endswith(".low")]
    assert lows
    if observer == "learned":
        pairs = list(zip(first["own"], second["own"], strict=True))
        assert any(not torch.equal(mine, theirs) for mine, theirs in pairs), "their people are different"


@pytest.mark.parametrize("observer", OBSERVERS)
def test_one_process_validates_the_last_checkpoint_to_the_same_figures(
    observer: Observer, fits: Path, rendered: Path
) -> None:
    figures = torch.load(fits / observer / "whole/figures.pt", weights_only=True)
    for precision, tag in (("float", "val/AP"), ("int8", "val/int8/AP")):
        model = module()
        model.precision = precision  # type: ignore[assignment]
        trainer = pl.Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False)
        path = fits / observer / "whole/epoch=2.ckpt"
        (alone,) = trainer.validate(model, data(rendered), ckpt_path=path, weights_only=True, verbose=False)
        assert alone["val/AP"] == figures[tag]
        if precision == "float":
            assert alone["val/EPE"] == figures["val/EPE"]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_a_fit_that_goes_on_in_mid_quantization_ends_as_the_whole_one(observer: Observer, fits: Path) -> None:
    whole, _ = kept(fits / observer / "whole")
    first, second = kept(fits / observer / "resumed")
    assert 0 < len(first["states"]) < len(whole["states"])
    for mine, theirs, expected in zip(
        first["states"], second["states"], whole["states"][-len(first["states"]) :], strict=True
    ):
        for name, value in expected.items():
            assert torch.equal(mine[name], theirs[name]), name
            assert torch.equal(mine[name], value), name


if __name__ == "__main__":
    program(Path(sys.argv[1]), Path(sys.argv[2]))
