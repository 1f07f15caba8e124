"""The report on what each layer's quantization costs, and on the layers to keep at 16 bits."""

import copy
import csv
import io
from pathlib import Path
from typing import NamedTuple, cast

import lightning.pytorch as pl
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.models import PoseEstimator
from elifpose.quantization import (
    LayerError,
    QuantizationSpec,
    calibrate,
    is_prepared,
    prepare,
    quantization_spec,
    sensitivity,
)
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.figures.quantization import sensitivity_figure
from elifpose.training.loggers import log_figure, takes_figures
from elifpose.training.precision_budget import BudgetSearch, search_budget
from elifpose.training.result_files import write_files
from elifpose.training.validation_part import ValidationPart
from elifpose.utils.errors import ElifPoseError

TAG = "val/quantization/sensitivity"
FILE = "sensitivity.csv"
OPTION = "--trainer.callbacks.spec.sixteen_bit_layers"
_SHOWN = 15
_CALIBRATION_BATCHES = 8


class SensitivityReport(NamedTuple):
    """What there is to say of a network's quantization."""

    errors: tuple[LayerError, ...]
    """All layers, worst first."""
    people: int
    """How many these were measured on."""
    search: BudgetSearch
    sixteen_bit_layers: tuple[str, ...]
    """Patterns of the layers that had 16 bits before."""


def report_sensitivity(
    trainer: pl.Trainer,
    module: EvaluatingModule,
    datamodule: PoseDataModule,
    people: int = 32,
    ap_people: int = 256,
    ap_budget: float = 0.005,
    spec: QuantizationSpec | None = None,
) -> SensitivityReport:
    """Measure what each layer's quantization costs and how many need 16 bits; print it, write it, draw it.

    The first process prints a table and the option to paste, writes ``sensitivity.csv`` to the run's folder, and
    gives the loggers a figure. Everything is computed in float32 on a copy of the network, with the averaged weights
    where a fit has them. In a run of several processes each must call it.

    Args:
        trainer: Whose folder, loggers and device.
        module: Its network is a QAT network, or a float one, which is then calibrated on training batches.
        datamodule: Gives people of the validation sets, evenly spread, and training batches.
        people: People on which layers are measured one by one.
        ap_people: People on which AP is measured.
        ap_budget: Loss of AP, integer against float, that is allowed.
        spec: How a float network is quantized.

    Raises:
        ElifPoseError: If a number is not positive, or a range is missing or not finite.
    """
    require_extent("sensitivity", people, ap_people, ap_budget)
    datamodule.setup("validate")
    report = measure_sensitivity(
        quantized_copy(module, datamodule, trainer.strategy.root_device, spec),
        module,
        ValidationPart(datamodule, ap_people),
        people,
        ap_budget,
    )
    folder = Path(trainer.log_dir or trainer.default_root_dir)  # every process must ask for it
    if trainer.is_global_zero:
        (path,) = write_files(folder, {FILE: sensitivity_csv(report)})
        Console().print(sensitivity_table(report), budget_text(report), f"Written: {path}", sep="\n", soft_wrap=True)
        if takes_figures(trainer):
            log_figure(trainer, TAG, sensitivity_figure(report.errors))
    return report


def require_extent(owner: str, people: int, ap_people: int, ap_budget: float) -> None:
    """Raise `ElifPoseError`, in the owner's name, unless :func:`report_sensitivity` can work with the numbers."""
    if people < 1 or ap_people < 1 or not ap_budget >= 0:
        raise ElifPoseError(
            f"{owner}: people is {people}, ap_people {ap_people} and ap_budget {ap_budget}; give people of 1 or more"
            " and a budget of 0 or more"
        )


def measure_sensitivity(
    network: PoseEstimator, module: EvaluatingModule, part: ValidationPart, people: int, ap_budget: float
) -> SensitivityReport:
    """Layers one by one, then AP with more and more of them at 16 bits.

    Args:
        network: Prepared and calibrated.
        module: Decodes and judges.
        part: Of the validation sets.
        people: How many of them layers are measured on.
        ap_budget: Loss of AP that is allowed.
    """
    images = part.images(people).to(next(network.buffers()).device)
    errors = tuple(sensitivity(network, [images], module.codec))
    search = search_budget(network, errors, part, module, ap_budget)
    spec = quantization_spec(network)
    return SensitivityReport(errors, len(images), search, spec.sixteen_bit_layers if spec is not None else ())


def quantized_copy(
    module: EvaluatingModule, datamodule: PoseDataModule, device: torch.device, spec: QuantizationSpec | None = None
) -> PoseEstimator:
    """The module's network as it is evaluated, prepared, in evaluation mode, on a device.

    A float network is calibrated on training batches, with their geometric augmentation.
    """
    network = copy.deepcopy(module.network)
    if (averaged := getattr(module, "averaged_state", None)) is not None:
        prefix = "network."
        state = cast("dict[str, Tensor]", averaged())
        network.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    network = network.float().to(device).eval()
    if not is_prepared(network):
        prepare(network, spec)
        datamodule.setup("fit")
        batches = datamodule.calibration_dataloader(_CALIBRATION_BATCHES, epoch=0)
        calibrate(network, (batch.images.to(device) for batch in batches))
    return network


def sensitivity_table(report: SensitivityReport) -> Table:
    """The worst 15 layers."""
    table = Table(
        title=f"Quantization of one layer alone, {report.people} people: the {_SHOWN} worst layers",
        caption="shift of keypoints in input pixels; signal to quantization noise of what the layer gives",
        caption_justify="left",
    )
    table.add_column("layer")
    for column in ("mean", "max", "dB"):
        table.add_column(column, justify="right")
    for error in report.errors[:_SHOWN]:
        numbers = f"{error.mean_shift:.3f}", f"{error.max_shift:.1f}", f"{error.signal_to_noise:.0f}"
        table.add_row(Text(error.name), *numbers)
    return table


def sensitivity_csv(report: SensitivityReport) -> str:
    """All layers as CSV with a header, worst first, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "mean_shift_input", "max_shift_input", "signal_to_noise_db"))
    for error in report.errors:
        writer.writerow((error.name, error.mean_shift, error.max_shift, error.signal_to_noise))
    return text.getvalue()


def budget_text(report: SensitivityReport) -> Text:
    """What 16 bits bring, and the option that asks for them."""
    search = report.search
    lines = [f"AP of {search.people} people: float {search.float_ap:.4f}"]
    for trial in search.trials:
        change = trial.average_precision - search.float_ap
        lines.append(f"  int8{_with(len(trial.layers))}: {trial.average_precision:.4f} ({change:+.4f})")
    proposal = search.proposal
    if proposal is None:
        lines.append(f"Within {search.budget:g} of float: not reached; a longer QAT may help more than 16 bits.")
    elif not proposal:
        lines.append(f"Within {search.budget:g} of float: no layer needs 16 bits.")
    else:
        names = ",".join((*report.sixteen_bit_layers, *proposal))
        lines += [f"Within {search.budget:g} of float:", f"  {OPTION}=[{names}]"]
    return Text("\n".join(lines))


def _with(layers: int) -> str:
    return f", {layers} layer{'s' * (layers > 1)} at 16 bits" if layers else ""
