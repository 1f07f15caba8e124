"""What is said and written at the end: what the network reached on each data set."""

from collections.abc import Mapping
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch import Tensor

from elifpose.datasets.annotations import Annotations
from elifpose.training.facts import run_facts
from elifpose.training.module import ElifPoseModule
from elifpose.training.prediction_files import predictions_csv, predictions_json
from elifpose.training.result_files import file_name, metrics_json, per_keypoint_csv, results_json, write_files
from elifpose.training.tables import keypoint_table, set_table, short_table
from elifpose.utils.errors import ElifPoseError


class Report(Callback):
    """Prints tables and writes files at the end of a run, in the first process.

    - ``validate`` and ``test`` print two tables for each data set and write ``metrics.json``, ``per_keypoint.csv``
      and, as COCO's results, ``<set>_results.json``. Of a set without annotated people there are the results only.
    - ``predict`` writes ``<set>_results.json``, ``<set>_predictions.json`` and ``<set>_predictions.csv``.
    - ``fit`` prints a row for each data set, the best checkpoint and how to open TensorBoard.

    Files go to the run's own folder: the logger's, or the trainer's ``default_root_dir`` without one.

    Args:
        bootstrap: Draws of images for the 95 % interval of AP; 0 leaves the interval out.

    Raises:
        ElifPoseError: If ``bootstrap`` is negative.
    """

    def __init__(self, bootstrap: int = 1000) -> None:
        if bootstrap < 0:
            raise ElifPoseError(f"report: bootstrap must be 0 or more, not {bootstrap}")
        self.bootstrap = bootstrap
        self._figures: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report if this was all that was asked for; in a fit, keep the figures."""
        if trainer.state.fn == "validate":
            self._report_figures(trainer, pl_module)
        elif not trainer.sanity_checking:
            self._figures = dict(trainer.callback_metrics)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report on the test."""
        self._report_figures(trainer, pl_module)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the predictions."""
        folder, module = _folder(trainer), _checked(pl_module)
        if not trainer.is_global_zero:
            return
        facts, contents = run_facts(trainer, module), {}
        for name, evaluation in module.evaluations.items():
            arguments = (facts, evaluation, _annotations(module, name), module.calibration)
            contents[file_name(name, "results.json")] = results_json(evaluation)
            contents[file_name(name, "predictions.json")] = predictions_json(*arguments)
            contents[file_name(name, "predictions.csv")] = predictions_csv(*arguments)
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set outside Trainer's class body
            _write(Console(), folder, contents)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the figures of the last validation, the best checkpoint, and how to open TensorBoard."""
        if not trainer.is_global_zero:
            return
        console = Console()
        if (table := short_table(self._figures, "val")) is not None:
            console.print(table)
        if (int8 := self._figures.get("val/int8/AP")) is not None:
            console.print(f"AP of the network in int8: {float(int8):.4f}")
        checkpoint = trainer.checkpoint_callback
        if isinstance(checkpoint, ModelCheckpoint) and checkpoint.best_model_path:
            score = checkpoint.best_model_score
            by = "" if score is None else f" ({checkpoint.monitor} {score:.4f})"
            console.print(f"Best checkpoint{by}: {_relative(checkpoint.best_model_path)}", soft_wrap=True)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                console.print(f"Curves and figures: tensorboard --logdir {_relative(logger.log_dir)}", soft_wrap=True)

    def _report_figures(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print tables and write figures and results."""
        folder, module = _folder(trainer), _checked(pl_module)
        if not trainer.is_global_zero:
            return
        console, facts = Console(), run_facts(trainer, module)
        annotated = {name: of_set for name, of_set in module.evaluations.items() if of_set.has_truth}
        intervals = (
            {name: of_set.interval(self.bootstrap) for name, of_set in annotated.items()} if self.bootstrap else {}
        )
        for name, evaluation in module.evaluations.items():
            if name in annotated:
                console.print(set_table(name, evaluation, intervals.get(name), facts))
                console.print(keypoint_table(name, evaluation.per_keypoint))
            else:
                people = len(evaluation.kept)
                told = f"{name}: nobody is annotated, so there are no figures of the {people} predicted people"
                console.print(told, markup=False)
        contents = {"metrics.json": metrics_json(facts, module.evaluations, intervals, self.bootstrap)}
        if annotated:
            contents["per_keypoint.csv"] = per_keypoint_csv(annotated)
        contents |= {file_name(name, "results.json"): results_json(of) for name, of in module.evaluations.items()}
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set outside Trainer's class body
            _write(console, folder, contents)


def _checked(module: pl.LightningModule) -> ElifPoseModule:
    if not isinstance(module, ElifPoseModule):
        raise TypeError("Report tells what an ElifPoseModule reached")
    return module


def _folder(trainer: pl.Trainer) -> Path:
    """Where the run's files go; every process must ask, as the first one tells the others."""
    return Path(trainer.log_dir or trainer.default_root_dir)


def _annotations(module: ElifPoseModule, set_name: str) -> Annotations:
    if module.datamodule is None:
        raise TypeError("Report needs a PoseDataModule: it names the images")
    return module.datamodule.sets_of(module.split)[set_name].annotations


def _write(console: Console, folder: Path, contents: Mapping[str, str]) -> None:
    paths = [_relative(str(path)) for path in write_files(folder, contents)]
    console.print("Written:", *paths, sep="\n  ", markup=False, highlight=False, soft_wrap=True)


def _relative(path: str) -> str:
    """``path`` as a user would type it from here."""
    absolute, here = Path(path).resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path
