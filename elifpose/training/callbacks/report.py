"""The table at the end: what the network reached on each data set."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.table import Table
from torch import Tensor

COLUMNS = ("AP", "AP50", "AP75", "AR", "PCK@0.1", "AUC", "EPE")


class Report(Callback):
    """Prints a table of the last figures after a fit, a validation or a test, and where to look further."""

    def __init__(self) -> None:
        self._figures: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the figures, and print them if this was all that was asked for."""
        if not trainer.sanity_checking:
            self._figures = dict(trainer.callback_metrics)
        if trainer.state.fn == "validate":
            self._print(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the figures of the test."""
        self._figures = dict(trainer.callback_metrics)
        self._print(trainer, "test")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the figures of the last validation, the best checkpoint, and how to open TensorBoard."""
        if not trainer.is_global_zero:
            return
        self._print(trainer, "val")
        console = Console()
        checkpoint = trainer.checkpoint_callback
        if isinstance(checkpoint, ModelCheckpoint) and checkpoint.best_model_path:
            console.print(
                f"Best checkpoint ({checkpoint.monitor} {checkpoint.best_model_score:.4f}):"
                f" {_relative(checkpoint.best_model_path)}",
                soft_wrap=True,
            )
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                console.print(f"Curves and figures: tensorboard --logdir {_relative(logger.log_dir)}", soft_wrap=True)

    def _print(self, trainer: pl.Trainer, split: str) -> None:
        if trainer.is_global_zero and (table := figures_table(self._figures, split)) is not None:
            Console().print(table)


def _relative(path: str) -> str:
    """``path`` as a user would type it from here."""
    absolute, here = Path(path).resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path


def figures_table(figures: dict[str, Any], split: str) -> Table | None:
    """The figures ``<split>/<set>/<name>`` as a table with a row per data set; None if there are none.

    COCO's −1, which says that there was nothing to measure, is shown as a dash.
    """
    tags = (key.split("/") for key in figures)
    sets = list(dict.fromkeys(tag[1] for tag in tags if tag[0] == split and len(tag) == 3))
    if not sets:
        return None
    table = Table(title=f"{split}: OKS average precision and distances", caption="EPE in image pixels")
    table.add_column("data set")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name in sets:
        values = (figures.get(f"{split}/{name}/{column}") for column in COLUMNS)
        table.add_row(name, *("–" if v is None or not v >= 0 else f"{float(v):.3f}" for v in values))
    return table
