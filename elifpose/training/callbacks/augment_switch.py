"""The last epochs of RTMPose's recipe, with milder augmentation."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.utils.errors import ElifPoseError


class AugmentationSwitch(Callback):
    """Trains the last epochs without shift and colour changes, and with fewer dropped regions (stage 2).

    The stage follows from the epoch alone, so a resumed fit is in the stage in which it would have been.

    Args:
        final_epochs: How many epochs at the end of the fit are of stage 2; 0 switches never.
    """

    def __init__(self, final_epochs: int = 30) -> None:
        if final_epochs < 0:
            raise ElifPoseError(f"AugmentationSwitch: final_epochs must be 0 or more, not {final_epochs}")
        self.final_epochs = final_epochs
        self._told = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Tell the data module at which epoch stage 2 begins."""
        if stage != "fit" or not self.final_epochs:
            return
        datamodule = getattr(trainer, "datamodule", None)
        if not isinstance(datamodule, PoseDataModule):
            raise ElifPoseError("AugmentationSwitch needs a PoseDataModule: fit with one, or leave the callback out")
        if trainer.max_epochs is None or trainer.max_epochs < 0:
            raise ElifPoseError(
                "AugmentationSwitch counts from the last epoch, but the fit has none: give --trainer.max_epochs"
            )
        datamodule.switch_epoch = max(0, trainer.max_epochs - self.final_epochs)
        self._told = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say it of a fit that goes on in stage 2: if in mid-epoch, no epoch starts before the next."""
        self._tell(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say when it happens."""
        self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        datamodule = getattr(trainer, "datamodule", None)
        switch_epoch = datamodule.switch_epoch if isinstance(datamodule, PoseDataModule) else None
        if self._told or switch_epoch is None or trainer.current_epoch < switch_epoch:
            return
        self._told = True
        rank_zero_info(
            f"Epoch {trainer.current_epoch}: augmentation of stage 2 from here on (no shift, no colour changes)."
        )
