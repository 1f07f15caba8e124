from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import pytest
from lightning.pytorch.loggers import (
    CometLogger,
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from elifpose.training.loggers import log_figure, log_text, takes_figures
from elifpose.utils.drawing import new_figure

Calls = list[tuple[str, tuple[Any, ...], dict[str, Any]]]


class Recorder:
    """Takes any of some methods' calls and remembers them."""

    def __init__(self, *methods: str) -> None:
        self.calls: Calls = []
        for name in methods:
            setattr(self, name, self._method(name))

    def _method(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


class Wandb(WandbLogger):
    """Weights & Biases' logger without its library."""

    def __init__(self) -> None:
        self.recorder = Recorder("log_image", "log_text")
        self.log_image = self.recorder.log_image  # type: ignore[attr-defined, method-assign]
        self.log_text = self.recorder.log_text  # type: ignore[attr-defined, method-assign]


class Comet(CometLogger):
    """Comet's logger without its library."""

    def __init__(self) -> None:
        self.recorder = Recorder("log_figure", "log_text")

    @property
    def experiment(self) -> Any:
        return self.recorder


class MLFlow(MLFlowLogger):
    """MLflow's logger without its library."""

    def __init__(self) -> None:
        self.recorder = Recorder("log_figure", "log_text")

    @property
    def experiment(self) -> Any:
        return self.recorder

    @property
    def run_id(self) -> str:
        return "run7"


def trainer_with(*loggers: Logger, first: bool = True) -> pl.Trainer:
    return cast("pl.Trainer", SimpleNamespace(loggers=list(loggers), global_step=30, is_global_zero=first))


@pytest.fixture
def figure() -> Figure:
    """Two by one inches, white."""
    return new_figure(2.0, 1.0, arranged=False)


def test_each_logger_gets_the_figure_in_its_own_way(figure: Figure) -> None:
    wandb, comet, mlflow = Wandb(), Comet(), MLFlow()
    log_figure(trainer_with(wandb, comet, mlflow), "val/a/worst", figure)
    ((method, (tag, (image,)), named),) = wandb.recorder.calls
    assert (method, tag, named) == ("log_image", "val/a/worst", {"step": 30})
    assert image.shape == (100, 200, 3)
    assert image.dtype == np.uint8
    as_figure = {"figure_name": "val/a/worst", "figure": figure, "step": 30}
    assert comet.recorder.calls == [("log_figure", (), as_figure)]
    assert mlflow.recorder.calls == [("log_figure", ("run7", figure, "val/a/worst/step_30.png"), {})]


def test_each_logger_gets_the_text_in_its_own_way() -> None:
    wandb, comet, mlflow = Wandb(), Comet(), MLFlow()
    log_text(trainer_with(wandb, comet, mlflow), "config", "seed: 0")
    assert wandb.recorder.calls == [
        ("log_text", ("config",), {"columns": ["text"], "data": [["seed: 0"]], "step": 30})
    ]
    assert comet.recorder.calls == [("log_text", ("seed: 0",), {"step": 30, "metadata": {"tag": "config"}})]
    assert mlflow.recorder.calls == [("log_text", ("run7", "seed: 0", "config.txt"), {})]


def test_tensorboard_can_be_read_back(figure: Figure, tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    log_figure(trainer_with(logger), "val/a/worst", figure)
    log_text(trainer_with(logger), "config", "seed: 0")
    logger.experiment.close()
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    (image,) = events.Images("val/a/worst")
    assert (image.step, image.width, image.height) == (30, 200, 100)
    (text,) = events.Tensors("config/text_summary")
    assert text.step == 30
    assert text.tensor_proto.string_val == [b"seed: 0"]


def test_loggers_that_take_neither_and_other_processes_are_left_alone(figure: Figure, tmp_path: Path) -> None:
    wandb = Wandb()
    for trainer in (trainer_with(), trainer_with(CSVLogger(tmp_path)), trainer_with(wandb, first=False)):
        assert not takes_figures(trainer)
        log_figure(trainer, "val/a/worst", figure)
        log_text(trainer, "config", "seed: 0")
    assert wandb.recorder.calls == []


def test_a_figure_is_drawn_if_any_logger_takes_it(tmp_path: Path) -> None:
    for logger in (Wandb(), Comet(), MLFlow(), TensorBoardLogger(tmp_path)):
        assert takes_figures(trainer_with(CSVLogger(tmp_path), logger)), logger
