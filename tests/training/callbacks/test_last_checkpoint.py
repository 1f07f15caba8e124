from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from elifpose.training.callbacks import LastCheckpoint


class Worsening(BoringModel):
    """Its first epoch is its best."""

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        self.log("quality", -float(self.current_epoch))


@pytest.mark.parametrize("every", [1, 2])
def test_the_last_epoch_is_saved_though_it_was_not_the_best_or_not_validated(every: int, tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="quality", mode="max", filename="best")
    trainer = pl.Trainer(
        callbacks=[LastCheckpoint(dirpath=tmp_path), best],
        max_epochs=3,
        check_val_every_n_epoch=every,
        limit_train_batches=2,
        limit_val_batches=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(Worsening())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 2
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == every - 1


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    trainer = pl.Trainer(
        callbacks=[LastCheckpoint(enabled=False, dirpath=tmp_path)],
        max_epochs=1,
        limit_train_batches=1,
        limit_val_batches=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(BoringModel())
    assert not list(tmp_path.iterdir())
