import copy
import json
import math
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import ExponentialMovingAverage
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


class Trajectory(nn.Module):
    b: Tensor
    n: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.register_buffer("b", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("n", torch.zeros((), dtype=torch.int64))

    def move_to(self, step: int) -> None:
        self.w.data = math.sin(0.01 * step) + torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
        self.b = torch.tensor([0.001 * step, -0.002 * step], dtype=torch.float64)
        self.n.fill_(step)


def test_the_average_is_the_recipes_at_every_stored_step(reference: Path) -> None:
    stored = json.loads((reference / "ema_expmomentum.json").read_text())
    callback = ExponentialMovingAverage(momentum=stored["momentum"], gamma=stored["gamma"])
    model = Trajectory()
    average = AveragedModel(model, use_buffers=True, **callback._kwargs)
    for step in range(1001):
        model.move_to(step)
        average.update_parameters(model)
        if str(step) in stored["values"]:
            expected = stored["values"][str(step)]
            averaged = cast("Trajectory", average.module)
            assert averaged.w.tolist() == pytest.approx(expected["w"], abs=1e-6), step
            assert averaged.b.tolist() == pytest.approx(expected["b"], abs=1e-6), step
            assert int(averaged.n) == step, "whole-number buffers are copied, not averaged"


@pytest.mark.parametrize(("momentum", "gamma"), [(0.0, 1.0), (1.5, 1.0), (0.1, 0.0)])
def test_impossible_settings_are_refused(momentum: float, gamma: float) -> None:
    with pytest.raises(ElifPoseError, match="momentum"):
        ExponentialMovingAverage(momentum=momentum, gamma=gamma)


def module() -> ElifPoseModule:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    return ElifPoseModule(network, SimCC(SIZE), optimizer=partial(AdamW, lr=0.01), learning_rate_rule="constant")


def data(root: Path) -> PoseDataModule:
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    return PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=4, num_workers=0)


def trainer(folder: Path, *callbacks: pl.Callback, epochs: int = 1, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        **options,
    )


class Validated(pl.Callback):
    """Keeps each validation's figures and the weights that it saw."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}
        self.trained: dict[str, Tensor] = {}

    def on_validation_start(self, *arguments: Any) -> None:
        self.trained = copy.deepcopy(arguments[1].state_dict())

    def on_validation_batch_end(self, *arguments: Any) -> None:
        self.weights = copy.deepcopy(arguments[1].state_dict())

    def on_validation_end(self, *arguments: Any) -> None:
        figures = arguments[0].callback_metrics
        self.figures = {name: float(value) for name, value in figures.items() if "val/" in name}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("weights_only", [False, True])
def test_what_was_validated_is_what_is_saved(weights_only: bool, rendered: Path, tmp_path: Path) -> None:
    seen = Validated()
    save = ModelCheckpoint(tmp_path, "best", monitor="val/AP", save_last=True, save_weights_only=weights_only)
    fit = trainer(tmp_path, ExponentialMovingAverage(momentum=0.1, gamma=4.0), seen, save)
    model = module()
    fit.fit(model, data(rendered))
    fit.save_checkpoint(tmp_path / "after.ckpt", weights_only=weights_only)
    assert not same(seen.weights, seen.trained)
    assert same(model.state_dict(), seen.weights), "the fit leaves its average"
    for name in ("best", "last", "after"):
        path = tmp_path / f"{name}.ckpt"
        content = torch.load(path, weights_only=True)
        assert same(content["state_dict"], seen.weights), name
        assert content["elifpose"]["averaged"], name
        assert ("current_model_state" in content) != weights_only
        assert weights_only or same(content["current_model_state"], seen.trained), name
        again = Validated()
        trainer(tmp_path, ExponentialMovingAverage(), again).validate(
            module(), data(rendered), ckpt_path=path, weights_only=True, verbose=False
        )
        assert again.figures == seen.figures, name


@pytest.mark.parametrize("enabled", [False, None])
def test_without_an_average_the_trained_weights_are_saved(
    enabled: bool | None, rendered: Path, tmp_path: Path
) -> None:
    average = [] if enabled is None else [ExponentialMovingAverage(enabled)]
    seen = Validated()
    save = ModelCheckpoint(tmp_path, "best", monitor="val/AP", save_weights_only=True)
    trainer(tmp_path, *average, seen, save).fit(module(), data(rendered))
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(content["state_dict"], seen.trained)
    assert not content["elifpose"]["averaged"]


def test_a_checkpoint_of_the_end_of_training_has_the_trained_weights(rendered: Path, tmp_path: Path) -> None:
    """Without a validation, Lightning saves ``last.ckpt`` when training ends."""
    save = ModelCheckpoint(tmp_path, save_last=True, save_top_k=0)
    model = module()
    average = ExponentialMovingAverage(momentum=0.1, gamma=4.0)
    trainer(tmp_path, average, save, limit_val_batches=0).fit(model, data(rendered))
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert same(content["state_dict"], model.state_dict())
    assert not same(content["state_dict"], content["current_model_state"])


def test_a_finished_fit_is_validated_with_its_average(rendered: Path, tmp_path: Path) -> None:
    seen = Validated()
    fit = trainer(tmp_path, ExponentialMovingAverage(momentum=0.1, gamma=4.0), seen, enable_checkpointing=False)
    model = module()
    fit.fit(model, data(rendered))
    fit.save_checkpoint(tmp_path / "after.ckpt")
    of_fit, figures = seen.weights, seen.figures
    for path in (None, tmp_path / "after.ckpt"):
        fit.validate(model, data(rendered), ckpt_path=path, weights_only=True, verbose=False)
        assert same(seen.weights, of_fit)
        assert seen.figures == figures


def test_no_fit_goes_on_from_weights_only(rendered: Path, tmp_path: Path) -> None:
    save = ModelCheckpoint(tmp_path, "best", monitor="val/AP", save_weights_only=True)
    trainer(tmp_path, ExponentialMovingAverage(), save).fit(module(), data(rendered))
    path = tmp_path / "best.ckpt"
    with pytest.raises(ElifPoseError, match=r"best\.ckpt: holds weights only.*--model\.init_from="):
        trainer(tmp_path, epochs=2).fit(module(), data(rendered), ckpt_path=path, weights_only=True)
