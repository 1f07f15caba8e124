"""What quantization-aware training does to ranges, and at the end to each layer."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
from lightning.pytorch.callbacks import Callback
from torch import nn

from elifpose.quantization import is_prepared
from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear
from elifpose.quantization.quantizers import evenly_spread
from elifpose.structures.batch import PoseBatch
from elifpose.training.figures.quantization import range_figure
from elifpose.training.loggers import log_figure, takes_figures
from elifpose.training.module import ElifPoseModule
from elifpose.training.quantization_points import KEPT, watch_points
from elifpose.training.sensitivity_report import report_sensitivity, require_extent


class QuantizationReport(Callback):
    """Shows the ranges of a network in quantization-aware training, and reports on its layers at the end of the fit.

    While fake quantization is in the network, each validation gives the loggers the figure
    ``val/quantization/ranges`` and, to those that take them, histograms of each point's activations and each layer's
    weights, from the validation's first batch. At the end of the fit a table, ``sensitivity.csv`` and the figure
    ``val/quantization/sensitivity`` say what each layer's quantization costs, and which layers to give 16 bits. In a
    float fit it does nothing.

    Args:
        enabled: Whether anything is shown.
        people: People on which layers are measured one by one, and whose activations are shown.
        ap_people: People on which AP is measured with more and more layers at 16 bits.
        ap_budget: Loss of AP, integer against float, that is allowed.

    Raises:
        ElifPoseError: A number is out of its range.
    """

    def __init__(
        self, enabled: bool = True, people: int = 32, ap_people: int = 256, ap_budget: float = 0.005
    ) -> None:
        require_extent("quantization_report", people, ap_people, ap_budget)
        self.enabled = enabled
        self.people = people
        self.ap_people = ap_people
        self.ap_budget = ap_budget
        self._shown = False

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show this validation's ranges when its first batch is done."""
        self._shown = False

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PoseBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the ranges of what is validated."""
        network = _checked(pl_module).network
        wanted = self.enabled and trainer.state.fn == "fit" and not trainer.sanity_checking and not self._shown
        if not (wanted and is_prepared(network) and len(batch.images) and takes_figures(trainer)):
            return
        self._shown = True
        with trainer.precision_plugin.forward_context():
            points = watch_points(network, batch.images[: self.people])
        log_figure(trainer, "val/quantization/ranges", range_figure(points))
        for point in points:
            _log_histogram(trainer, f"activations/{point.name}", point.sample)
        for name, weight in _weights(network):
            _log_histogram(trainer, f"weights/{name}", weight)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report on the layers."""
        module = _checked(pl_module)
        dry = trainer.fast_dev_run  # type: ignore[attr-defined]  # set outside Trainer's class body
        if self.enabled and not dry and is_prepared(module.network) and module.datamodule is not None:
            report_sensitivity(trainer, module, module.datamodule, self.people, self.ap_people, self.ap_budget)


def _checked(module: pl.LightningModule) -> ElifPoseModule:
    if not isinstance(module, ElifPoseModule):
        raise TypeError("QuantizationReport shows an ElifPoseModule's network")
    return module


def _weights(network: nn.Module) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Quantized weights by layer, evenly spread values of each."""
    return [
        (name, evenly_spread(module.weight.detach(), KEPT).float().cpu().numpy())
        for name, module in network.named_modules()
        if isinstance(module, FakeQuantConv2d | FakeQuantLinear)
    ]


def _log_histogram(trainer: pl.Trainer, tag: str, values: npt.NDArray[np.float32]) -> None:
    """Give a histogram to the loggers whose ``experiment`` has ``add_histogram``, as TensorBoard's has."""
    for logger in trainer.loggers:
        add_histogram = getattr(getattr(logger, "experiment", None), "add_histogram", None)
        if callable(add_histogram):
            add_histogram(f"quantization/{tag}", values, global_step=trainer.global_step)
