from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import calibrate, prepare, quantizers
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks.quantization_report import QuantizationReport
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


class Recorder(DummyLogger):
    """Remembers the steps at which each figure and histogram was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: dict[str, list[int]] = {}
        self.histograms: dict[str, list[Any]] = {}

    @property
    def experiment(self) -> Any:
        return self

    def add_figure(self, tag: str, figure: object, global_step: int) -> None:  # noqa: ARG002
        self.figures.setdefault(tag, []).append(global_step)

    def add_histogram(self, tag: str, values: Any, global_step: int) -> None:  # noqa: ARG002
        self.histograms.setdefault(tag, []).append(values)


class Quantize(Callback):
    """Quantizes the network before an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ElifPoseModule)
        if trainer.current_epoch == self.epoch:
            prepare(pl_module.network)
            calibrate(pl_module.network, [torch.full((2, 3, 64, 64), 128, dtype=torch.uint8)])


def fit(root: Path, folder: Path, *callbacks: Callback, **options: Any) -> tuple[Recorder, ElifPoseModule]:
    """Two epochs with a validation each, and a sanity check before."""
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    data = PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=4, num_workers=0)
    module, logger = ElifPoseModule(network, SimCC(SIZE)), Recorder()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        logger=logger,
        callbacks=list(callbacks),
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )
    trainer.fit(module, datamodule=data)
    return logger, module


def report() -> QuantizationReport:
    return QuantizationReport(people=2, ap_people=4)


def test_ranges_at_each_validation_and_layers_at_the_end(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, module = fit(rendered, tmp_path, Quantize(0), report())
    first, last = logger.figures["val/quantization/ranges"]
    assert 0 < first < last
    assert logger.figures["val/quantization/sensitivity"] == [last]
    activations = {tag for tag in logger.histograms if tag.startswith("quantization/activations/")}
    assert activations == {f"quantization/activations/{name}" for name, _ in quantizers(module.network)}
    weights = logger.histograms["quantization/weights/head.cls_x"][-1]
    assert weights.max() == pytest.approx(float(module.network.head.cls_x.weight.detach().max()), rel=0.5)
    assert (tmp_path / "sensitivity.csv").is_file()
    assert "16 bits" in capsys.readouterr().out


def test_before_the_network_is_quantized_nothing_is_shown(rendered: Path, tmp_path: Path) -> None:
    logger, _ = fit(rendered, tmp_path, Quantize(1), report())
    assert len(logger.figures["val/quantization/ranges"]) == 1
    assert {len(shown) for shown in logger.histograms.values()} == {1}


@pytest.mark.parametrize("callbacks", [(report(),), (Quantize(0), QuantizationReport(enabled=False))])
def test_a_float_fit_or_a_report_that_is_off_shows_nothing(
    rendered: Path, tmp_path: Path, callbacks: tuple[Callback, ...]
) -> None:
    logger, _ = fit(rendered, tmp_path, *callbacks)
    assert not [tag for tag in logger.figures if "quantization" in tag]
    assert not logger.histograms
    assert not list(tmp_path.rglob("*.csv"))


def test_the_fit_does_not_notice(rendered: Path, tmp_path: Path) -> None:
    def state(*callbacks: Callback) -> dict[str, Tensor]:
        return fit(rendered, tmp_path, *callbacks)[1].state_dict()

    torch.testing.assert_close(state(Quantize(0), report()), state(Quantize(0)), rtol=0, atol=0)


def test_a_trial_run_writes_no_file(rendered: Path, tmp_path: Path) -> None:
    fit(rendered, tmp_path, Quantize(0), report(), fast_dev_run=True)
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("wrong", [{"people": 0}, {"ap_people": -1}, {"ap_budget": -0.001}])
def test_numbers_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match="quantization_report: people is"):
        QuantizationReport(**wrong)
