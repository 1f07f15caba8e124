import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.structures import PoseBatch
from elifpose.training.callbacks import SetShares


class Module(LightningModule):
    """Trains nothing; remembers the sets of whom it saw, and what was logged in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[int] = []
        self.logged: list[dict[str, float]] = []

    def training_step(self, batch: PoseBatch, _: int) -> Tensor:
        self.seen += batch.dataset_indices.tolist()
        return self.weight * 0.0

    def log_dict(self, dictionary: Any, *_: Any, **__: Any) -> None:
        self.logged.append(dictionary)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class SaveAt(Callback):
    """Saves ``STEP.ckpt`` in a folder after some steps."""

    def __init__(self, folder: Path, *steps: int) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step in self.steps:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def fit(root: Path, names: str, epochs: int, *callbacks: Callback, resume: Path | None = None) -> Module:
    """Fit on sets of 16 (t) and 9 people (v), in five batches of five."""
    splits = {"t": "train2017", "v": "val2017"}
    sets = {
        name: PoseSet(f"annotations/person_keypoints_{splits[name]}.json", splits[name], "halpe26") for name in splits
    }
    data = PoseDataModule({name: sets[name] for name in names}, sets, root=str(root), batch_size=5, num_workers=0)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        use_distributed_sampler=False,
        callbacks=[SetShares(), *callbacks],
    )
    module = Module()
    with warnings.catch_warnings():
        for message in (
            ".*also trained on.*",
            ".*no `validation_step`.*",
            ".*does not have many workers.*",
            ".*treespec.*",
        ):
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return module


def shares(seen: list[int], names: str) -> dict[str, Any]:
    count = Counter(seen)
    return {f"train/share/{name}": pytest.approx(count[i] / len(seen)) for i, name in enumerate(names)}


def test_each_epoch_logs_what_it_trained_on(rendered: Path) -> None:
    module = fit(rendered, "tv", 2)
    assert Counter(module.seen) == {0: 32, 1: 18}
    assert module.logged == [{"train/share/t": pytest.approx(0.64), "train/share/v": pytest.approx(0.36)}] * 2


def test_one_set_has_no_share(rendered: Path, tmp_path: Path) -> None:
    assert fit(rendered, "t", 1, SaveAt(tmp_path, 1)).logged == []
    assert "set_shares" not in torch.load(tmp_path / "1.ckpt", weights_only=True)


def test_a_resumed_fit_logs_the_shares_of_the_whole_epoch(rendered: Path, tmp_path: Path) -> None:
    whole = fit(rendered, "tv", 2, SaveAt(tmp_path, 2, 7))
    for step, epoch in ((2, 0), (7, 1)):
        resumed = fit(rendered, "tv", 2, resume=tmp_path / f"{step}.ckpt")
        of_epoch = [*whole.seen[25 * epoch : 5 * step], *resumed.seen][:25]
        assert resumed.logged[0] == shares(of_epoch, "tv")
        assert len(resumed.logged) == 2 - epoch
    other = fit(rendered, "vt", 2, resume=tmp_path / "7.ckpt")  # other sets: of what this fit showed
    assert other.logged == [shares(other.seen, "vt")]


class Processes:
    """Two processes' counters, as a trainer's strategy would sum them."""

    def __init__(self) -> None:
        self.callbacks = [SetShares(), SetShares()]
        self.trainers: list[Any] = [
            SimpleNamespace(strategy=self, is_global_zero=rank == 0, current_epoch=0) for rank in range(2)
        ]
        for callback in self.callbacks:
            callback._names, callback._people = ["a", "b"], torch.zeros(2, dtype=torch.int64)

    def reduce(self, tensor: Tensor, reduce_op: str) -> Tensor:
        assert reduce_op == "sum"
        tensor[:] = sum(callback._people for callback in self.callbacks)  # in place, as torch.distributed does
        return tensor

    def train(self, indices: list[list[int]]) -> None:
        for callback, trainer, of_process in zip(self.callbacks, self.trainers, indices, strict=True):
            callback.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
            batch: Any = SimpleNamespace(dataset_indices=torch.tensor(of_process))
            callback.on_train_batch_end(trainer, None, None, batch, 0)  # type: ignore[arg-type]

    def logged(self) -> list[dict[str, float]]:
        module = Module()
        for callback, trainer in zip(self.callbacks, self.trainers, strict=True):
            callback.on_train_epoch_end(trainer, module)
        return module.logged


def test_processes_are_summed_also_after_a_resume() -> None:
    processes = Processes()
    processes.train([[0, 0, 1], [0, 0]])
    assert processes.logged() == [{"train/share/a": pytest.approx(0.8), "train/share/b": pytest.approx(0.2)}] * 2
    checkpoint: dict[str, Any] = {}
    processes.callbacks[1].on_save_checkpoint(processes.trainers[1], None, checkpoint)  # type: ignore[arg-type]
    assert checkpoint == {"set_shares": {"epoch": 0, "people": {"a": 4, "b": 1}}}
    resumed = Processes()
    for callback, trainer in zip(resumed.callbacks, resumed.trainers, strict=True):
        callback.on_load_checkpoint(trainer, None, checkpoint)  # type: ignore[arg-type]
    resumed.train([[1, 1], [1, 1, 1]])  # the epoch goes on
    assert resumed.logged() == [{"train/share/a": pytest.approx(0.4), "train/share/b": pytest.approx(0.6)}] * 2
    for trainer in resumed.trainers:
        trainer.current_epoch = 1
    resumed.train([[0], [1, 1, 1]])
    assert resumed.logged() == [{"train/share/a": pytest.approx(0.25), "train/share/b": pytest.approx(0.75)}] * 2
