"""The LightningModule that trains: losses, what is logged of them, and the optimizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from typing_extensions import override

from elifpose.codecs.calibration import recorded_calibration
from elifpose.codecs.simcc import SimCC
from elifpose.evaluation.losses import SimCCLoss, heatmap_cross_entropy, simcc_accuracy
from elifpose.evaluation.settings import Evaluation
from elifpose.models import AuxiliaryHeatmap, PoseEstimator
from elifpose.models.checkpoint_files import read_checkpoint
from elifpose.quantization.checkpoint import rebuild_network
from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.structures.skeletons import get_skeleton, recorded_skeleton
from elifpose.training.late_parameters import add_parameters, without
from elifpose.training.optim import (
    FlatCosine,
    LearningRateRule,
    learning_rate_factor,
    parameter_groups,
    total_steps,
)
from elifpose.training.resumable import ResumableModule
from elifpose.utils.errors import ElifPoseError


def logs_at(trainer: pl.Trainer, step: int) -> bool:
    """Whether the trainer's loggers take what is logged in optimizer step ``step`` (from 0)."""
    every: int = getattr(trainer, "log_every_n_steps")  # noqa: B009 - set outside Trainer's class body, unseen by mypy
    return (step + 1) % every == 0


class ElifPoseModule(ResumableModule):
    """Trains and evaluates a pose network.

    Args:
        network: What is trained; it normalises its images itself.
        codec: How keypoints become bins and back; it also says the input size.
        skeleton: Whose keypoints the network answers with: a skeleton's name, or the YAML file of your own.
        optimizer: Called with the parameter groups; norms, biases and scales carry weight decay 0.
        schedule: The learning rate over the fit.
        scheduler: Any of torch's schedulers instead, stepped once an epoch; ``null`` uses ``schedule``.
        learning_rate_rule: How the optimizer's learning rate follows a batch below ``base_batch_size``:
            ``constant``, ``sqrt`` or ``linear``. A batch above it keeps the rate, as RTMPose's own recipe does.
        base_batch_size: People per step for which the optimizer's learning rate is meant.
        loss_beta: Inverse temperature of the KL loss, on logits and on targets.
        joint_weights: Whether the skeleton's joint weights multiply the keypoints' weights in the loss.
        auxiliary_weight: Weight of the coarse heatmap loss on the head's map and on each earlier one of the
            backbone's; for training from scratch, without cost at inference; 0 leaves it out. Above 0 the backbone
            must give two maps or more (``out_stages: [3, 4]``).
        auxiliary_sigma: Spread of the coarse heatmap's target, cells.
        flip_test: Whether evaluation averages the image's and the mirrored image's logits.
        evaluation: How predictions are judged.
        init_from: Weights to start a new fit from, or to evaluate: an ElifPose checkpoint, an MMPose-style ``.pth``
            or ``.safetensors``. With a checkpoint to resume or evaluate it is ignored.
        init_scope: ``all`` of the network, with its quantization if it has one, the ``backbone`` alone, or what is
            ``matching`` by name and shape (which drops the head's layers for another number of keypoints).
        channels_last: Memory order of the convolutions; faster than the default on CPUs and GPUs alike.
    """

    training_only = ("auxiliary.",)

    def __init__(
        self,
        network: PoseEstimator,
        codec: SimCC,
        skeleton: str | Skeleton = "halpe26",
        optimizer: OptimizerCallable = AdamW,
        schedule: FlatCosine = FlatCosine(),  # noqa: B008 - frozen; the signature is the configuration
        scheduler: LRSchedulerCallable | None = None,
        learning_rate_rule: LearningRateRule = "sqrt",
        base_batch_size: int = 1024,
        loss_beta: float = 10.0,
        joint_weights: bool = False,
        auxiliary_weight: float = 0.0,
        auxiliary_sigma: float = 0.4,
        flip_test: bool = True,
        evaluation: Evaluation = Evaluation(),  # noqa: B008 - frozen
        init_from: str | None = None,
        init_scope: Literal["all", "backbone", "matching"] = "all",
        channels_last: bool = True,
    ) -> None:
        skeleton = get_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
        super().__init__(network, codec, skeleton, flip_test, evaluation)
        _check_fit(network, codec, skeleton)
        if init_from is not None and not Path(init_from).is_file():
            raise ElifPoseError(f"model.init_from: there is no file {init_from}; correct the path")
        if channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.loss = SimCCLoss(codec, beta=loss_beta)
        self.auxiliary = nn.ModuleList(_auxiliary_heatmaps(network) if auxiliary_weight else ())
        self.auxiliary_weight = auxiliary_weight
        self.auxiliary_sigma = auxiliary_sigma
        self._optimizer = optimizer
        self._schedule = schedule
        self._scheduler = scheduler
        self._learning_rate_rule: LearningRateRule = learning_rate_rule
        self._base_batch_size = base_batch_size
        self.init_from = init_from
        self._init_scope: Literal["all", "backbone", "matching"] = init_scope
        weights = self.skeleton.joint_weights if joint_weights else (1.0,) * self.skeleton.num_keypoints
        self.register_buffer("joint_weights", torch.tensor(weights), persistent=False)
        self._started = False

    @override
    def setup(self, stage: str) -> None:
        if self.init_from is not None and self.trainer.ckpt_path is None and not self._started:
            self._started = True  # a trainer may run the module several times
            report = self.quantization.load_weights(self.init_from, self._init_scope)
            self.print(f"Starting from {self.init_from}: {report}")

    @override
    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        features = self.network.features(batch.images)
        heatmaps = self.network.head.heatmaps(features)
        simcc_x, simcc_y = self.network.head.classify(heatmaps)
        weights = batch.weights * cast("Tensor", self.joint_weights)
        loss: Tensor = self.loss(simcc_x, simcc_y, batch.keypoints_input, weights)
        self.log("train/loss_simcc", loss)
        if self.auxiliary_weight:
            auxiliary = self._auxiliary_loss(heatmaps, features, batch, weights)
            self.log("train/loss_auxiliary", auxiliary)
            loss = loss + self.auxiliary_weight * auxiliary
        self.log("train/loss", loss, prog_bar=True)
        if self._is_logging_step:
            self._log_training_progress(simcc_x.detach(), simcc_y.detach(), batch)
        return loss

    def _auxiliary_loss(
        self, heatmaps: Tensor, features: Sequence[Tensor], batch: PoseBatch, weights: Tensor
    ) -> Tensor:
        """The coarse heatmap loss on the head's maps ``(N, K, h, w)`` and on those of the backbone's earlier ones."""
        earlier = [of_stage(of_map) for of_stage, of_map in zip(self.auxiliary, features[:-1], strict=True)]
        points, size, sigma = batch.keypoints_input, self.codec.input_size, self.auxiliary_sigma
        losses = [heatmap_cross_entropy(maps, points, weights, size, sigma) for maps in (heatmaps, *earlier)]
        return torch.stack(losses).sum()

    @property
    def _is_logging_step(self) -> bool:
        return logs_at(self.trainer, self.global_step)

    def _log_training_progress(self, simcc_x: Tensor, simcc_y: Tensor, batch: PoseBatch) -> None:
        keypoints_input, _ = self.codec.decode(simcc_x, simcc_y)
        accuracy = simcc_accuracy(keypoints_input, batch.keypoints_input, batch.weights, self.codec.input_size)
        self.log("train/accuracy", accuracy, prog_bar=True)
        optimizer = cast("Optimizer", self.optimizers(use_pl_optimizer=False))
        self.log("lr", optimizer.param_groups[0]["lr"])

    @override
    def on_train_batch_start(self, batch: PoseBatch, batch_idx: int) -> None:
        self.quantization.start_batch()

    @override
    def on_after_backward(self) -> None:
        self.quantization.share_ranges()

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.quantization.share_gradients()
        if self._is_logging_step:
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        learned_steps = self.quantization.learned_steps()
        optimizer = self._optimizer(without(parameter_groups(self), learned_steps))
        datamodule = self.datamodule
        if datamodule is not None:
            people = datamodule.batch_size * self.trainer.world_size * self.trainer.accumulate_grad_batches
            factor = learning_rate_factor(self._learning_rate_rule, people, self._base_batch_size)
            for group in optimizer.param_groups:
                group["lr"] *= factor
        for group in optimizer.param_groups:
            group["lr"] *= self.quantization.learning_rate_scale
        built = (
            self._scheduler(optimizer)
            if self._scheduler is not None
            else self._schedule.scheduler(optimizer, self._total_steps())
        )
        if learned_steps:
            add_parameters(optimizer, [built], learned_steps)
        self.remember_options(optimizer, built)
        interval = "epoch" if self._scheduler else "step"
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": built, "interval": interval}}

    def _total_steps(self) -> int:
        datamodule = self.datamodule
        return total_steps(self.trainer, None if datamodule is None else datamodule.train_batches)

    @classmethod
    @override
    def load_from_checkpoint(  # type: ignore[override]  # no hyperparameters to override: the file says it all
        cls, checkpoint_path: str | Path, map_location: torch.device | str | None = None
    ) -> Self:
        """The module of a checkpoint, for evaluation or as a start, without the configuration file."""
        checkpoint = read_checkpoint(checkpoint_path)
        record = checkpoint.record
        if record is None or not {"codec", "skeleton"} <= record.keys():
            raise ElifPoseError(
                f"{checkpoint_path} is not a checkpoint of a fit: it names no codec and no skeleton; build the module"
                " in Python, and give it the file as init_from"
            )
        network, skeleton = rebuild_network(checkpoint, checkpoint_path), recorded_skeleton(record["skeleton"])
        module = cls(network, SimCC(**record["codec"]), skeleton=skeleton)
        module.calibration = recorded_calibration(record)
        return module.to(map_location) if map_location is not None else module


def _check_fit(network: PoseEstimator, codec: SimCC, skeleton: Skeleton) -> None:
    """Raise `ElifPoseError` unless the network answers with the skeleton's keypoints in the codec's bins."""
    head = network.head
    if head.num_keypoints != skeleton.num_keypoints or head.bins != codec.bins:
        raise ElifPoseError(
            f"model: the head answers {head.num_keypoints} keypoints in {head.bins} bins, but skeleton"
            f" {skeleton.name!r} has {skeleton.num_keypoints} and the codec {codec.bins} bins; give the head these"
            " num_keypoints, and the codec's input_size and split_ratio"
        )


def _auxiliary_heatmaps(network: PoseEstimator) -> list[AuxiliaryHeatmap]:
    """One for each of the backbone's maps but the last."""
    channels = network.backbone.out_channels
    if len(channels) < 2 or network.neck is not None:
        raise ElifPoseError(
            "model.auxiliary_weight: the coarse heatmap loss needs a backbone that gives two maps and no neck;"
            " set --model.network.backbone.out_stages=[3,4], or --model.auxiliary_weight=0"
        )
    return [AuxiliaryHeatmap(of_map, network.head.num_keypoints) for of_map in channels[:-1]]
