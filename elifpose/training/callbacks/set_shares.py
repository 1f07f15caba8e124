"""What each training set really contributed to an epoch."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.structures.batch import PoseBatch

_KEY = "set_shares"


class SetShares(Callback):
    """Logs ``train/share/<set>`` at the end of an epoch, if there are several training sets.

    A set's share is its part of the people that all processes trained on. Checkpoints hold the counts so far, so that
    a fit resumed in mid-epoch logs the shares of the whole epoch; with other sets than before, of what it trained on.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._epoch = -1
        self._people = torch.zeros(0, dtype=torch.int64)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Count from nothing."""
        datamodule = getattr(trainer, "datamodule", None)
        sets = datamodule.train_sets if stage == "fit" and isinstance(datamodule, PoseDataModule) else {}
        self._names = list(sets) if len(sets) > 1 else []
        self._epoch = -1
        self._people = torch.zeros(len(self._names), dtype=torch.int64)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count where the batches are."""
        self._people = self._people.to(pl_module.device)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count anew, if the counts are not a checkpoint's of this epoch."""
        if trainer.current_epoch != self._epoch:
            self._people.zero_()
        self._epoch = trainer.current_epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Count a batch, without waiting for the device."""
        if self._names:
            sets = torch.arange(len(self._names), device=self._people.device)
            self._people += (batch.dataset_indices[:, None] == sets).sum(dim=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's shares."""
        if self._names:
            people = self._of_all_processes(trainer)
            shares = (people / people.sum()).tolist()
            of_sets = zip(self._names, shares, strict=True)
            pl_module.log_dict({f"train/share/{name}": share for name, share in of_sets})

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the counts so far."""
        if self._names:
            people = self._of_all_processes(trainer).tolist()
            checkpoint[_KEY] = {"epoch": self._epoch, "people": dict(zip(self._names, people, strict=True))}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on from a checkpoint's counts."""
        counted = checkpoint.get(_KEY)
        if counted is not None and list(counted["people"]) == self._names:
            self._epoch = counted["epoch"]
            if trainer.is_global_zero:  # the counts are of all processes: one goes on from them
                self._people = torch.tensor(list(counted["people"].values()), dtype=torch.int64)

    def _of_all_processes(self, trainer: pl.Trainer) -> Tensor:
        total = trainer.strategy.reduce(self._people.clone(), reduce_op="sum")
        return total.cpu() if isinstance(total, Tensor) else self._people.cpu()
