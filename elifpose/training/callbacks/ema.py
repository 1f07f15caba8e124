"""Averaged weights: RTMPose's exponential moving average with its warm-up."""

import math
from collections.abc import Sequence
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from typing_extensions import override

from elifpose.training.checkpoints import TRAINED_STATE
from elifpose.training.module import ElifPoseModule
from elifpose.training.quantized import copy_ranges
from elifpose.utils.errors import ElifPoseError


def update_weight(count: int, momentum: float, gamma: float) -> float:
    """How far update number ``count`` (from 0) moves the average towards the weights, from 0 to 1.

    MMEngine's ExpMomentumEMA, which RTMPose was trained with: ``(1 − momentum) · exp(−(1 + count) / gamma) +
    momentum``.

    >>> [round(update_weight(count, 0.0002, 2000.0), 4) for count in (0, 2000, 100_000)]
    [0.9995, 0.3678, 0.0002]
    """
    return (1 - momentum) * math.exp(-(1 + count) / gamma) + momentum


class ExponentialMovingAverage(WeightAveraging):
    """Keeps an exponential moving average of weights and BatchNorm statistics, validates it and saves it.

    An update is ``average += update_weight · (weights − average)``: at first the average follows the weights closely,
    later it moves by ``momentum`` a step. Update 0 copies.

    Validation during a fit sees the average, checkpoints hold it as ``state_dict`` (the weights being trained are
    kept beside it for resuming, if the checkpoint is not one of weights only), and it is what the fit leaves in the
    module. The module is told where the average is, in ``averaged_state``: Lightning asks no callback when it saves
    weights only.

    Of a quantized network the average is of the float weights, and of learned steps. Ranges are those of the network
    being trained, copied: they are averages over batches already, and an average of averages would lag behind.

    Args:
        enabled: Whether there is an average at all.
        momentum: Share of the current weights in each late update; 0.0002 suits fits of 100,000 steps and more.
        gamma: Steps over which the average slows down to ``momentum``.
    """

    def __init__(self, enabled: bool = True, momentum: float = 0.0002, gamma: float = 2000.0) -> None:
        if not 0 < momentum <= 1 or gamma <= 0:
            raise ElifPoseError(
                f"ema: momentum must lie in (0, 1] and gamma above 0, not momentum={momentum} and gamma={gamma}"
            )
        self.enabled = enabled
        self._ended = False  # whether the module holds the average, so that nothing is to be swapped any more

        def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
            if averaged[0].is_floating_point():
                weight = update_weight(int(count), momentum, gamma)
                torch._foreach_lerp_(list(averaged), list(current), weight)
            else:
                torch._foreach_copy_(list(averaged), list(current))

        super().__init__(multi_avg_fn=update)

    @override
    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return self.enabled and super().should_update(step_idx, epoch_idx)

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.enabled:
            super().setup(trainer, pl_module, stage)
        if stage == "fit":
            self._latest_update_step = 0  # of this fit; a checkpoint's is loaded later
            self._ended = False
            if isinstance(pl_module, ElifPoseModule):  # only now: the average is a copy of the module
                average = self._average_model
                pl_module.averaged_state = average.module.state_dict if average is not None else None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start from the weights that the fit starts from, which may have been loaded after `setup`."""
        if self._average_model is not None and self._average_model.n_averaged == 0:  # this is no resumed fit
            self._follow_quantization(pl_module)
            self._average_model.module.load_state_dict(pl_module.state_dict())

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Quantize the average with the network: Lightning pairs what both have by its position."""
        self._follow_quantization(pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self._average_model is not None:
            copy_ranges(pl_module, self._average_model.module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing yet: a checkpoint that is saved now still needs the weights being trained."""

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the average in the module."""
        if self._average_model is None:
            return
        self._swap_models(pl_module)
        self._ended = True
        if isinstance(pl_module, ElifPoseModule):
            pl_module.averaged_state = pl_module.state_dict

    @override
    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._ended:
            super().on_validation_epoch_start(trainer, pl_module)

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._ended:
            super().on_validation_epoch_end(trainer, pl_module)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._average_model is None:
            return
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._ended:  # the module has the average by now
            trained, averaged = checkpoint["state_dict"], checkpoint[TRAINED_STATE]
            checkpoint.update({"state_dict": averaged, TRAINED_STATE: trained})

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit":
            return  # the module chose its weights
        if self._average_model is not None:
            self._follow_quantization(pl_module)
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
        elif TRAINED_STATE in checkpoint:
            # Averaging was switched off for the rest of the fit: go on with the trained weights, not their average.
            pl_module.load_state_dict(checkpoint[TRAINED_STATE])

    def _follow_quantization(self, pl_module: pl.LightningModule) -> None:
        """Prepare the average as the module was prepared."""
        if self._average_model is None or not isinstance(pl_module, ElifPoseModule):
            return
        average = cast("ElifPoseModule", self._average_model.module)
        if average.quantization.spec != pl_module.quantization.spec:
            average.quantization.restore(pl_module.quantization.record())
            copy_ranges(pl_module, average, learned_steps=True)
