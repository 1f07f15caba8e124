"""Small fits in whose middle the network is quantized."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import AdamW

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training import ElifPoseModule

SIZE = (64, 64)


def _module(**arguments: Any) -> ElifPoseModule:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(2,)), RTMCCHead(32, 26, SIZE, hidden_dims=32, stride=8))
    options: dict[str, Any] = {"optimizer": partial(AdamW, lr=0.003), "learning_rate_rule": "constant"}
    return ElifPoseModule(network, SimCC(SIZE), **options, **arguments)


def _data(root: Path, val: str = "rendered") -> PoseDataModule:
    train, validated = (
        {name: PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for name, split in (("rendered", "train2017"), (val, "val2017"))
    )
    augmentation: dict[str, Any] = {"geometry": GeometricTransform(), "photometric": PhotometricAugment()}
    return PoseDataModule(
        train, validated, root=str(root), input_size=SIZE, batch_size=4, num_workers=0, **augmentation
    )


def _trainer(folder: Path, *callbacks: pl.Callback, epochs: int = 2, **options: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        **(quiet | {"enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks)} | options),
    )


@pytest.fixture(scope="session")
def module() -> Callable[..., ElifPoseModule]:
    """Makes a module of a small network from its arguments, the same weights each time."""
    return _module


@pytest.fixture(scope="session")
def data() -> Callable[..., PoseDataModule]:
    """Makes the augmented data of a folder of rendered people, four batches an epoch."""
    return _data


@pytest.fixture(scope="session")
def trainer() -> Callable[..., pl.Trainer]:
    """Makes a silent trainer of a folder, callbacks and options, for two epochs unless said otherwise."""
    return _trainer
