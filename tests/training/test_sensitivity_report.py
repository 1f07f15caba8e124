import csv
import io
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger
from rich.console import Console

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import (
    LayerError,
    QuantizationSpec,
    calibrate,
    is_prepared,
    prepare,
    quantizers,
    sensitivity,
)
from elifpose.quantization.names import quantizable_layers
from elifpose.training.module import ElifPoseModule
from elifpose.training.precision_budget import BudgetSearch, Trial
from elifpose.training.sensitivity_report import (
    SensitivityReport,
    budget_text,
    quantized_copy,
    report_sensitivity,
    sensitivity_csv,
    sensitivity_table,
)
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)
CPU = torch.device("cpu")


class Recorder(DummyLogger):
    """Remembers the tags of figures."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    @property
    def experiment(self) -> Any:
        return self

    def add_figure(self, tag: str, figure: object, global_step: int) -> None:  # noqa: ARG002
        self.tags.append(tag)


@pytest.fixture
def data(rendered: Path) -> PoseDataModule:
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    return PoseDataModule(train, val, root=str(rendered), input_size=SIZE, batch_size=4, num_workers=0)


def module() -> ElifPoseModule:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    torch.nn.init.normal_(network.head.final_layer.weight, std=0.1)
    return ElifPoseModule(network.eval(), SimCC(SIZE))


def trainer(folder: Path, logger: Recorder) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", devices=1, logger=logger, default_root_dir=folder, enable_checkpointing=False
    )


def report(*trials: Trial, kept: tuple[str, ...] = (), budget: float = 0.005) -> SensitivityReport:
    errors = tuple(LayerError(f"layer.{n}", 50.0 - n, 0.5 / (n + 1), 4.0) for n in range(20))
    return SensitivityReport(errors, 32, BudgetSearch(budget, 250, 0.5, trials), kept)


def test_a_float_checkpoint_is_calibrated_and_reported(
    data: PoseDataModule, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_float, logger = module(), Recorder()
    state = {name: value.clone() for name, value in of_float.state_dict().items()}
    found = report_sensitivity(trainer(tmp_path, logger), of_float, data, people=3, ap_people=6)
    told = capsys.readouterr().out
    assert found.errors[0].name in told
    assert "float 0." in told
    assert "sensitivity.csv" in told
    assert logger.tags == ["val/quantization/sensitivity"]
    with (tmp_path / "sensitivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == [error.name for error in found.errors]
    assert [float(row["mean_shift_input"]) for row in rows] == [error.mean_shift for error in found.errors]
    assert {row["layer"] for row in rows} == set(quantizable_layers(of_float.network))
    assert not is_prepared(of_float.network)
    torch.testing.assert_close(of_float.state_dict(), state, rtol=0, atol=0)


def test_a_prepared_network_keeps_its_ranges_and_its_precision(data: PoseDataModule) -> None:
    prepared = module()
    prepare(prepared.network, QuantizationSpec(sixteen_bit_layers=("head.gau",)))
    data.setup("validate")
    image = torch.from_numpy(data.val_sets["rendered"][0].image).permute(2, 0, 1)[None]
    calibrate(prepared.network, [image])
    found = quantized_copy(prepared, data, CPU)
    assert found is not prepared.network
    torch.testing.assert_close(found.state_dict(), prepared.network.state_dict(), rtol=0, atol=0)
    assert [q.bits for _, q in quantizers(found)] == [q.bits for _, q in quantizers(prepared.network)]
    assert sensitivity(found, [image], prepared.codec) == sensitivity(prepared.network, [image], prepared.codec)
    assert not data.train_sets  # nothing had to be calibrated


def test_averaged_weights_are_what_is_reported_on(data: PoseDataModule) -> None:
    averaged, current = module(), module()
    averaged.network.head.cls_x.weight.data.mul_(2)
    current.averaged_state = averaged.state_dict
    data.setup("fit")
    found = quantized_copy(current, data, CPU)
    assert torch.equal(found.head.cls_x.weight, averaged.network.head.cls_x.weight)


@pytest.mark.parametrize("wrong", [{"people": 0}, {"ap_people": 0}, {"ap_budget": -0.1}])
def test_numbers_that_mean_nothing_are_refused(data: PoseDataModule, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match="sensitivity: people is"):
        report_sensitivity(trainer(tmp_path, Recorder()), module(), data, **wrong)


def test_the_table_shows_15_layers_in_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(sensitivity_table(report(Trial((), 0.5))))
    lines = console.export_text().splitlines()
    assert sum("layer." in line for line in lines) == 15
    assert max(map(len, lines)) <= 80
    assert any("0.500" in line and "4.0" in line and "50" in line for line in lines)


def test_the_file_has_all_layers() -> None:
    rows = list(csv.reader(sensitivity_csv(report(Trial((), 0.5))).splitlines()))
    assert rows[0] == ["layer", "mean_shift_input", "max_shift_input", "signal_to_noise_db"]
    assert rows[2] == ["layer.1", "0.25", "4.0", "49.0"]
    assert len(rows) == 21


@pytest.mark.parametrize(
    ("trials", "kept", "expected"),
    [
        ([Trial((), 0.496)], (), "no layer needs 16 bits"),
        (
            [Trial((), 0.49), Trial(("b",), 0.492), Trial(("b", "a"), 0.4951)],
            ("head.gau",),
            "--trainer.callbacks.spec.sixteen_bit_layers=[head.gau,b,a]",
        ),
        ([Trial((), 0.49), Trial(("b",), 0.491)], (), "not reached"),
    ],
)
def test_the_option_to_paste_keeps_what_had_16_bits(
    trials: list[Trial], kept: tuple[str, ...], expected: str
) -> None:
    text = budget_text(report(*trials, kept=kept)).plain
    assert expected in text
    assert text.count("int8") == len(trials)
    assert f"{trials[-1].average_precision:.4f}" in text
