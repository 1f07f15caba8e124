import copy
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.optim import AdamW

from elifpose.cli import build
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.quantization import calibrate, prepare
from elifpose.training import ElifPoseModule
from elifpose.training.side_evaluation import IntegerEvaluation, on_device, validation_ap

pytestmark = pytest.mark.filterwarnings("ignore:.*validation images are also trained on")  # `fitted` is made so
CONFIG = Path(__file__).parents[2] / "configs/quickstart.yaml"


@pytest.fixture(scope="module")
def fitted(rendered: Path) -> tuple[ElifPoseModule, PoseDataModule]:
    """A small network that knows its validation people by heart, so that its AP is no 0."""
    options = ["--config", str(CONFIG), "--data.root", str(rendered), "--data.num_workers=0", "--data.batch_size=3"]
    options += ["--data.val_batch_size=3", "--model.network.backbone.widen_factor=0.25", "--model.flip_test=false"]
    options += ["--data.train.synthetic.annotations=annotations/person_keypoints_val2017.json"]
    options += ["--data.train.synthetic.images=val2017", "--data.geometry=null"]
    module, datamodule = build(options)
    module._optimizer = partial(AdamW, lr=4e-3, betas=(0.9, 0.95))
    trainer(max_epochs=60, limit_val_batches=0).fit(module, datamodule)
    return module, datamodule


def trainer(**options: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", devices=1, enable_checkpointing=False, **quiet, **options)


@pytest.mark.parametrize("limit", [1.0, 2, 0.4])
def test_it_is_what_a_validation_gives(limit: float, fitted: tuple[ElifPoseModule, PoseDataModule]) -> None:
    module, datamodule = fitted
    of_part = trainer(limit_val_batches=limit)
    (expected,) = of_part.validate(module, datamodule, verbose=False)
    module.train()
    module.network.head.eval()
    assert validation_ap(of_part, module, datamodule) == expected["val/AP"] > 0
    assert module.network.backbone.training
    assert not module.network.head.training


def test_nothing_is_measured_where_nothing_is_validated(fitted: tuple[ElifPoseModule, PoseDataModule]) -> None:
    module, datamodule = fitted
    assert validation_ap(trainer(limit_val_batches=0), module, datamodule) is None


def test_integers_are_measured_beside_the_network(fitted: tuple[ElifPoseModule, PoseDataModule]) -> None:
    float_module, datamodule = fitted
    module = ElifPoseModule(copy.deepcopy(float_module.network), float_module.codec, flip_test=False)
    (loader,) = datamodule.val_dataloader()
    prepare(module.network)
    calibrate(module.network, [batch.images for batch in loader])
    beside = IntegerEvaluation(module, datamodule)
    with torch.no_grad():
        for batch in on_device(loader, module.device):
            beside.update(batch, 0)
    module.precision = "int8"
    (expected,) = trainer().validate(module, datamodule, verbose=False)
    assert beside.finish() == {"AP": expected["val/AP"], "synthetic/AP": expected["val/synthetic/AP"]}
    assert expected["val/AP"] > 0
