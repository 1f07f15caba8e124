"""How long the data takes, and how fast the fit is."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from elifpose.structures.batch import PoseBatch
from elifpose.training.module import logs_at


class Timing(Callback):
    """Logs ``time/data``, ``time/step``, ``time/data_share`` and ``time/samples_per_second`` of training.

    ``time/data`` is the time in seconds from the end of a step to the start of the next one, as the process sees it:
    waiting for the loader, moving the batch, and augmenting it. ``time/data_share`` is its share of ``time/step``:
    where it is large, the loader is what limits the fit, so add workers. A GPU's work is not waited for, so on a GPU
    single steps are rough and their mean is right. Samples are those of all processes.
    """

    def __init__(self) -> None:
        self._step_end: float | None = None
        self._data_seconds = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not count what lies between two epochs."""
        self._step_end = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not count a validation within an epoch as waiting for data."""
        self._step_end = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch is here: the wait for it is over."""
        if self._step_end is not None:
            self._data_seconds = time.perf_counter() - self._step_end

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Log the step that just ended, together with the wait before it."""
        now = time.perf_counter()
        if self._step_end is not None and logs_at(trainer, trainer.global_step - 1):
            step = now - self._step_end
            pl_module.log_dict(
                {
                    "time/data": self._data_seconds,
                    "time/step": step,
                    "time/data_share": self._data_seconds / step,
                    "time/samples_per_second": len(batch.images) * trainer.world_size / step,
                },
                rank_zero_only=True,
            )
        self._step_end = now
