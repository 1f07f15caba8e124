"""Parts of small fits in whose middle the network is quantized."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.quantization.spec import Observer
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import ExponentialMovingAverage, QATCallback

MakeModule = Callable[..., ElifPoseModule]
MakeData = Callable[..., PoseDataModule]
MakeTrainer = Callable[..., pl.Trainer]
OBSERVERS: tuple[Observer, ...] = ("minmax", "learned")


def qat(start: float = 1, stop: float = 2, freeze: float = 3, **arguments: Any) -> QATCallback:
    return QATCallback(start, stop, freeze, calibration_batches=2, **arguments)


def average() -> ExponentialMovingAverage:
    return ExponentialMovingAverage(momentum=0.1, gamma=4.0)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Steps(pl.Callback):
    """Keeps what each step saw and left behind."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.people: list[Tensor] = []
        self.images: list[Tensor] = []
        self.losses: list[Tensor] = []
        self.weights: list[dict[str, Tensor]] = []
        self.random: list[Tensor] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.random.append(torch.get_rng_state())

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any) -> None:
        self.epochs.append(trainer.current_epoch)
        self.people.append(arguments[1].sample_indices)
        self.images.append(arguments[1].images)
        self.losses.append(trainer.callback_metrics["train/loss"].clone())
        self.weights.append({name: value.clone() for name, value in pl_module.state_dict().items()})


class Validated(pl.Callback):
    """Keeps the last validation's figures and weights."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}
        self.history: list[set[str]] = []

    def on_validation_batch_end(self, *arguments: Any) -> None:
        self.weights = {name: value.clone() for name, value in arguments[1].state_dict().items()}

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.figures = {k: float(value) for k, value in trainer.callback_metrics.items() if k.startswith("val/")}
        self.history.append(set(self.figures))
