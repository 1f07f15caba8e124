"""What a fit's checkpoints hold beside weights, and how a module goes on from one."""

import dataclasses
from collections.abc import Callable
from typing import Any

from lightning.pytorch.utilities import rank_zero_info
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import override

from elifpose.codecs.calibration import recorded_calibration
from elifpose.codecs.simcc import SimCC
from elifpose.evaluation.settings import Evaluation
from elifpose.models import PoseEstimator
from elifpose.models.checkpoint import network_record
from elifpose.models.checkpoint_files import RECORD_KEY
from elifpose.quantization.checkpoint import QUANTIZATION
from elifpose.structures.skeleton import Skeleton
from elifpose.structures.skeletons import skeleton_record
from elifpose.training.checkpoints import (
    AVERAGED,
    Weights,
    differences,
    has_training_state,
    replace_entries,
    require_same_weights,
    require_training_state,
    take_weights,
)
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.quantized import Quantization
from elifpose.training.resume import Options, options_of, reassert, require_fitting


class ResumableModule(EvaluatingModule):
    """Writes into each checkpoint what rebuilds it, and goes on from one with what is configured now.

    Args:
        network: What is evaluated and saved.
        codec: How its bins become keypoints.
        skeleton: The keypoints that it answers with.
        flip_test: Whether the image's and the mirrored image's logits are averaged.
        evaluation: How predictions are judged.

    Attributes:
        weights: Which weights of a checkpoint are to be evaluated, and then which they were: ``averaged`` or
            ``trained``.
        averaged_state: Gives the averaged weights of a fit; None without an average.
        quantization: How far the network's quantization is.
    """

    training_only: tuple[str, ...] = ()
    """How the names of weights begin that evaluation has no use for."""

    def __init__(
        self, network: PoseEstimator, codec: SimCC, skeleton: Skeleton, flip_test: bool, evaluation: Evaluation
    ) -> None:
        super().__init__(network, codec, skeleton, flip_test, evaluation)
        self.weights: Weights = "averaged"
        self.averaged_state: Callable[[], dict[str, Any]] | None = None
        self.quantization = Quantization(network)
        self._configured: Options | None = None
        """Of the optimizer and the schedule, before a checkpoint changes them."""
        self._restored: dict[str, Any] | None = None
        """The checkpoint's, until the fit goes on."""

    def remember_options(self, optimizer: Optimizer, scheduler: LRScheduler) -> None:
        """Keep what was configured, to win over what a checkpoint brings: for `configure_optimizers` to call."""
        self._configured = options_of(optimizer, [scheduler])

    def _record(self) -> dict[str, Any]:
        """What rebuilds network, codec and skeleton."""
        return {
            **network_record(self.network),
            "codec": self.codec.arguments(),
            "skeleton": skeleton_record(self.skeleton),
        }

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.averaged_state is not None and not has_training_state(checkpoint):
            checkpoint["state_dict"] = self.averaged_state()
        checkpoint[RECORD_KEY] = {
            **self._record(),
            "calibration": None if self.calibration is None else dataclasses.asdict(self.calibration),
            AVERAGED: self.averaged_state is not None,
            QUANTIZATION: self.quantization.record(),
        }

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        path, record = self.trainer.ckpt_path, checkpoint.get(RECORD_KEY, {})
        if self.trainer.state.fn == "fit":
            require_training_state(checkpoint, path)
            self._restored = {key: checkpoint[key] for key in ("optimizer_states", "lr_schedulers")}
        else:
            self.weights = take_weights(checkpoint, self.weights, path)
            own = {name: value for name, value in self.state_dict().items() if name.startswith(self.training_only)}
            checkpoint["state_dict"] = replace_entries(checkpoint["state_dict"], self.training_only, own)
        self.quantization.restore(record.get(QUANTIZATION))
        require_same_weights(checkpoint, self._record(), self.state_dict(), path)
        self.calibration = recorded_calibration(record)
        for difference in differences(record, self._record()):
            rank_zero_info(f"--ckpt_path: the configuration wins: {difference}")

    @override
    def on_fit_start(self) -> None:
        if self._restored is not None:
            schedulers = [config.scheduler for config in self.trainer.lr_scheduler_configs]
            require_fitting(self.trainer.optimizers[0], schedulers, self._restored)

    @override
    def on_train_start(self) -> None:
        if self._restored is not None and self._configured is not None:
            schedulers = [config.scheduler for config in self.trainer.lr_scheduler_configs]
            for override in reassert(self.trainer.optimizers[0], schedulers, self._configured):
                rank_zero_info(f"--ckpt_path: the configuration wins: {override}")
            self._restored = None
