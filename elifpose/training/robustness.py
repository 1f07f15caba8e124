"""How a network bears what the phone will meet: AP under disturbed boxes and images."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import lightning.pytorch as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from elifpose.datasets.corruption import CORRUPTIONS, Corruption
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.training.module import ElifPoseModule

_UNDISTURBED = "undisturbed"


class RobustnessRow(NamedTuple):
    """One data set under one disturbance."""

    data_set: str
    corruption: Corruption | None
    """None where nothing is disturbed."""
    ap: float
    """OKS AP."""
    change: float
    """AP less that of the undisturbed set."""
    pck: float | None
    """PCK@0.1; None where nobody is labelled, as in a detector's boxes, or where that threshold is not measured."""


def measure_robustness(
    trainer: pl.Trainer,
    module: ElifPoseModule,
    datamodule: PoseDataModule,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
) -> list[RobustnessRow]:
    """Validate the weights that the module holds under each disturbance, and once without.

    A bar shows how far it is; callbacks and loggers see nothing of it. The undisturbed validation comes last, so that
    it is what the module's ``evaluations`` and the trainer's metrics are of afterwards. In a run of several processes
    each must call it; all get the same rows.

    Args:
        trainer: Runs the validations.
        module: What is validated.
        datamodule: The sets.
        corruptions: The disturbances.

    Returns:
        For each set, in the data module's order, a row without disturbance and one for each disturbance.
    """
    conditions = (*corruptions, None)
    figures: dict[Corruption | None, dict[str, dict[str, float]]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, transient=True, disable=not trainer.is_global_zero)
    try:
        with _quiet(trainer), progress:
            task = progress.add_task("Robustness", total=len(conditions))
            for corruption in conditions:
                progress.update(task, description=f"Robustness: {corruption or _UNDISTURBED}")
                datamodule.corruption = corruption
                trainer.validate(module, datamodule=datamodule, verbose=False)
                figures[corruption] = {name: of_set.figures for name, of_set in module.evaluations.items()}
                progress.advance(task)
    finally:
        datamodule.corruption = None
    return [
        _row(name, corruption, figures[corruption][name], undisturbed)
        for name, undisturbed in figures[None].items()
        for corruption in (None, *corruptions)
    ]


@contextmanager
def _quiet(trainer: pl.Trainer) -> Iterator[None]:
    """Take callbacks and loggers away: to them each validation would be a run of its own, to draw and to report."""
    callbacks, loggers = trainer.callbacks, trainer.loggers  # type: ignore[attr-defined]
    trainer.callbacks, trainer.loggers = [], []  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trainer.callbacks, trainer.loggers = callbacks, loggers  # type: ignore[attr-defined]


def _row(
    name: str, corruption: Corruption | None, figures: dict[str, float], undisturbed: dict[str, float]
) -> RobustnessRow:
    pck = figures.get("PCK@0.1", -1.0)
    return RobustnessRow(
        name, corruption, figures["AP"], figures["AP"] - undisturbed["AP"], pck if pck >= 0 else None
    )


def robustness_table(rows: Sequence[RobustnessRow]) -> Table:
    """The rows as a table with a section per data set."""
    table = Table(title="Robustness: OKS average precision under disturbances")
    table.add_column("data set")
    table.add_column("disturbance")
    for column in ("AP", "change", "PCK@0.1"):
        table.add_column(column, justify="right")
    for row in rows:
        if row.corruption is None:
            table.add_section()
        table.add_row(
            row.data_set if row.corruption is None else "",
            str(row.corruption or _UNDISTURBED),
            f"{row.ap:.3f}",
            "" if row.corruption is None else f"{row.change:+.3f}",
            "–" if row.pck is None else f"{row.pck:.3f}",
        )
    return table


def robustness_csv(rows: Sequence[RobustnessRow]) -> str:
    """The rows as CSV with a header, numbers in full; ``corruption`` and ``level`` are empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("data_set", "corruption", "level", "AP", "AP_change", "PCK@0.1"))
    for name, corruption, ap, change, pck in rows:
        kind, level = (None, None) if corruption is None else (corruption.kind, corruption.level)
        writer.writerow((name, kind, level, ap, change, pck))
    return text.getvalue()
