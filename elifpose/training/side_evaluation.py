"""Average precision of a network beside the one that is being validated: as integers, or before it is quantized."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.structures.batch import PoseBatch
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.evaluators import Evaluators, tagged_figures
from elifpose.training.prediction import PosePrediction


class IntegerEvaluation:
    """Evaluates a module's network, converted to integers, on the batches of a validation.

    Args:
        module: Its network is quantized.
        datamodule: The sets.
    """

    def __init__(self, module: EvaluatingModule, datamodule: PoseDataModule) -> None:
        self._module = module
        self._predict: Callable[[Tensor], PosePrediction] | None = None
        self._evaluators = Evaluators(module.skeleton, module.evaluation)
        self._evaluators.start("val", datamodule.sets_of("val"), module.device)

    def update(self, batch: PoseBatch, set_index: int) -> None:
        """Add a batch of the set at a position; the weights of the first one's time are those that count."""
        if self._predict is None:
            self._predict = self._module.integer_predictor()
        self._evaluators.update(set_index, self._predict(batch.images), batch)

    def finish(self) -> dict[str, float]:
        """AP of each set as ``<set>/AP`` and their mean as ``AP``, over all processes: each must call it."""
        return _average_precisions(self._evaluators)


@torch.no_grad()
def validation_ap(trainer: pl.Trainer, module: EvaluatingModule, datamodule: PoseDataModule) -> float | None:
    """AP of a module's network as it is, over the batches that the trainer would validate on.

    It changes nothing: not what is in training mode either. Each process must call it.

    Returns:
        The mean over sets, or None if the trainer validates on nothing.
    """
    training = [part for part in module.modules() if part.training]
    evaluators = Evaluators(module.skeleton, module.evaluation)
    evaluators.start("val", datamodule.sets_of("val"), module.device)
    module.eval()
    try:
        with trainer.precision_plugin.val_step_context():
            for index, loader in enumerate(datamodule.val_dataloader()):
                for batch in islice(on_device(loader, module.device), _limit(trainer, len(loader))):
                    evaluators.update(index, module(batch.images), batch)
    finally:
        for part in training:
            part.training = True
    return _average_precisions(evaluators).get("AP") if trainer.limit_val_batches else None


def on_device(batches: Iterable[Any], device: torch.device) -> Iterator[PoseBatch]:
    """The :class:`PoseBatch` es of a loader, on a device."""
    for batch in batches:
        yield PoseBatch(*(field.to(device) for field in batch))


def _limit(trainer: pl.Trainer, batches: int) -> int:
    """How many of a loader's batches the trainer validates on."""
    limit = trainer.limit_val_batches
    if isinstance(limit, int):
        return min(limit, batches)
    return batches if limit is None else int(limit * batches)


def _average_precisions(evaluators: Evaluators) -> dict[str, float]:
    figures = tagged_figures(evaluators.finish())
    return {key: value for key, value in figures.items() if key.rpartition("/")[-1] == "AP"}
