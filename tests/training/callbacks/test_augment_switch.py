from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import PoseBatch
from elifpose.training.callbacks import AugmentationSwitch, LastCheckpoint
from elifpose.utils.errors import ElifPoseError


def set_up(final_epochs: int, max_epochs: int | None, datamodule: object) -> None:
    trainer = SimpleNamespace(max_epochs=max_epochs, datamodule=datamodule)
    AugmentationSwitch(final_epochs).setup(cast("Any", trainer), cast("Any", None), "fit")


@pytest.mark.parametrize(("final_epochs", "switch_epoch"), [(30, 390), (0, None), (500, 0)])
def test_the_data_module_learns_the_first_epoch_of_stage_2(final_epochs: int, switch_epoch: int | None) -> None:
    sets = {"coco": PoseSet("a.json", "a")}
    datamodule = PoseDataModule(sets, sets)
    set_up(final_epochs, 420, datamodule)
    assert datamodule.switch_epoch == switch_epoch


def test_a_fit_without_end_or_data_module_is_refused() -> None:
    sets = {"coco": PoseSet("a.json", "a")}
    with pytest.raises(ElifPoseError, match="max_epochs"):
        set_up(30, -1, PoseDataModule(sets, sets))
    with pytest.raises(ElifPoseError, match="PoseDataModule"):
        set_up(30, 420, None)
    with pytest.raises(ElifPoseError, match="final_epochs"):
        AugmentationSwitch(-1)


SIZE = (24, 32)
SHIFTED_IN_STAGE_1 = GeometricTransform(0.0, 0.0, shift_prob=1.0, scale_factor=0.0, rotation_prob=0.0)


class Stages(BoringModel):
    """Finds out of what stage each batch is, four an epoch: whether its crops are shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []

    def training_step(self, batch: PoseBatch, _: int) -> Tensor:
        # Without a shift the middle of the crop is that of the box, whatever the rounding.
        middle = batch.input_to_image @ torch.tensor([SIZE[0] / 2, SIZE[1] / 2, 1.0])
        apart = middle - (batch.boxes_image[:, :2] + batch.boxes_image[:, 2:] / 2)
        self.seen.append((self.trainer.current_epoch, 1 if apart.abs().max() > 1 else 2))
        return cast("Tensor", self.layer(torch.ones(1, 32)).sum())


def fit(root: Path, folder: Path, workers: int, checkpoint: str | None = None) -> Stages:
    """Three epochs, the last two of stage 2; each step is saved."""

    class SaveEachStep(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.save_checkpoint(folder / f"step{trainer.global_step}.ckpt")

    model = Stages()
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    arguments: dict[str, Any] = {"input_size": SIZE, "batch_size": 4, "geometry": SHIFTED_IN_STAGE_1}
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=3,
        limit_val_batches=0,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[AugmentationSwitch(2), SaveEachStep(), LastCheckpoint(dirpath=folder)],
    )
    data = PoseDataModule(train, val, root=str(root), num_workers=workers, **arguments)
    trainer.fit(model, data, ckpt_path=checkpoint and folder / checkpoint, weights_only=True)
    return model


@pytest.mark.parametrize("workers", [0, 2])
def test_it_switches_once_and_in_time(
    workers: int, rendered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        messages = [message for message in caplog.messages if "stage 2" in message]
        caplog.clear()
        return messages

    stages = [(0, 1)] * 4 + [(1, 2)] * 4 + [(2, 2)] * 4
    assert fit(rendered, tmp_path, workers).seen == stages
    assert [line.split(",")[0] for line in told()] == ["Epoch 1: augmentation of stage 2 from here on (no shift"]
    for step, epoch in ((3, 1), (4, 1), (6, 1), (9, 2)):  # before it, at it, after it in its epoch and in the next
        assert fit(rendered, tmp_path, workers, checkpoint=f"step{step}.ckpt").seen == stages[step:]
        (line,) = told()
        assert line.startswith(f"Epoch {epoch}: ")
