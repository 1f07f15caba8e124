"""The state of a fit as it is, to go on from."""

import signal
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from typing_extensions import override

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.training.fit_position import finish, follow_order
from elifpose.training.stop_signals import StopSignals


class LastCheckpoint(ModelCheckpoint):
    """Saves ``last.ckpt``, and stops a fit so that it can go on as if it had not been stopped.

    It is saved before each validation in a fit, at the end of every epoch, and when SIGTERM or Ctrl-C stops the fit:
    after the optimizer step that is being made, in all processes. A fit that is stopped while it validates goes on
    with that validation. The exit status is 143 after SIGTERM and 130 after Ctrl-C, as shells have it.

    A fit that goes on in mid-epoch, from this or any other checkpoint, sees the rest of the epoch's order and ends
    with the weights that it would have had, on a CPU bit for bit. Where the order is another one, as with another
    batch size or number of processes, it says so and goes on at the same share of the epoch. Of a checkpoint that
    another callback saved between two batches whose gradients are accumulated, the gradients so far are lost.

    The file is written beside the old one and then takes its place, so that there is always a whole one.

    Args:
        enabled: Whether it is saved, and the fit stopped with care.
        dirpath: The folder; that of the run if None.
    """

    def __init__(self, enabled: bool = True, dirpath: str | Path | None = None) -> None:
        super().__init__(dirpath=dirpath, filename="last", save_top_k=0, enable_version_counter=False)
        self.enabled = enabled
        self._signals = StopSignals()
        self._stopped = ""

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Watch for signals; Lightning's own handlers would stop processes at different batches."""
        self._signals, self._stopped = StopSignals(), ""
        if self._saves(trainer):
            self._signals.received = signal.SIGTERM if trainer.received_sigterm else None  # before now
            self._signals.install()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not (self._saves(trainer) and _stepped(trainer)):
            return
        stops = self._asked_to_stop(trainer)
        if stops or _validates_next(trainer):
            self._save(trainer)
        if stops:
            self._stop(trainer, f"after batch {batch_idx + 1} of epoch {trainer.current_epoch}")

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop, if asked to: what was saved before the validation is still true."""
        fits = trainer.state.fn == "fit" and not trainer.sanity_checking
        if fits and self._saves(trainer) and _stepped(trainer) and self._asked_to_stop(trainer):
            self._stop(trainer, f"in a validation in epoch {trainer.current_epoch}")

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing: the weights are as they were."""

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._saves(trainer):
            self._save(trainer)

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Say where a fit was stopped, now that the progress bar is out of the way."""
        if self._stopped:
            rank_zero_info(self._stopped)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Have a fit go on from any checkpoint with what comes next."""
        if trainer.state.fn == "fit":
            finish(checkpoint["loops"]["fit_loop"], _validates_next(trainer))

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Follow another batch size, number of processes or choice of people."""
        datamodule = getattr(trainer, "datamodule", None)
        if trainer.state.fn == "fit" and isinstance(datamodule, PoseDataModule):
            told = follow_order(checkpoint["loops"]["fit_loop"], datamodule.train_order)
            if told is not None:
                rank_zero_warn(f"--ckpt_path: {told}")

    def _saves(self, trainer: pl.Trainer) -> bool:
        return self.enabled and not trainer.fast_dev_run  # type: ignore[attr-defined]  # set outside its class body

    def _asked_to_stop(self, trainer: pl.Trainer) -> bool:
        """Whether any process was: all of them must ask, and get the same answer."""
        return trainer.strategy.reduce_boolean_decision(self._signals.received is not None, all=False)

    def _save(self, trainer: pl.Trainer) -> None:
        path = self.format_checkpoint_name({})
        trainer.save_checkpoint(f"{path}.part", weights_only=False)
        if trainer.is_global_zero:
            get_filesystem(path).mv(f"{path}.part", path)

    def _stop(self, trainer: pl.Trainer, where: str) -> NoReturn:
        received = self._signals.received or signal.SIGTERM
        self._stopped = f"Stopped by {received.name} {where}; saved, go on with --ckpt_path last"
        # Lightning kills the first process 5 s after another one failed; it has files to close.
        raise SystemExit(128 + received if trainer.is_global_zero else 0)


def _stepped(trainer: pl.Trainer) -> bool:
    """Whether no gradients are gathered for a later optimizer step."""
    return (trainer.fit_loop.batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch


def _validates_next(trainer: pl.Trainer) -> bool:
    """Whether validation follows the training batch that ends."""
    loop, batches = trainer.fit_loop, trainer.fit_loop.epoch_loop.batch_progress.current
    if batches.completed == batches.ready or loop._data_fetcher is None:
        return False
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)
