"""The LightningModule: what happens to a batch in training and in evaluation, and what is logged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from typing_extensions import override

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.evaluation.losses import SimCCLoss, heatmap_cross_entropy, simcc_accuracy
from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.models import AuxiliaryHeatmap, PoseEstimator, load_checkpoint
from elifpose.models.checkpoint import load_network, network_record
from elifpose.models.checkpoint_files import RECORD_KEY, read_checkpoint
from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeletons import get_skeleton
from elifpose.training.optim import FlatCosine, LearningRateRule, learning_rate_factor, parameter_groups
from elifpose.utils.errors import ElifPoseError


def mean_over_sets(figures: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Unweighted mean over data sets of each figure, ``()`` each, of the sets where there was something to measure.

    A figure over nothing is −1, as COCO has it; so is the mean if no set has the figure.
    """
    means = {}
    for key in figures[0]:
        values = torch.stack([of_set[key] for of_set in figures])
        measured = values[values >= 0]
        means[key] = measured.mean() if len(measured) else values[0]
    return means


def logs_at(trainer: pl.Trainer, step: int) -> bool:
    """Whether the trainer's loggers take what is logged in optimizer step ``step`` (from 0)."""
    every: int = getattr(trainer, "log_every_n_steps")  # noqa: B009 - set outside Trainer's class body, unseen by mypy
    return (step + 1) % every == 0


class PosePrediction(NamedTuple):
    """What the network says of a batch."""

    keypoints_input: Tensor
    """``(N, K, 2)`` float32, input pixels, x then y."""
    scores: Tensor
    """``(N, K)`` float32, raw: the smaller of the two axes' highest logits."""


class ElifPoseModule(pl.LightningModule):
    """Trains and evaluates a pose network.

    Args:
        network: What is trained; it normalises its images itself.
        codec: How keypoints become bins and back; it also says the input size.
        skeleton: Name of the skeleton whose keypoints the network answers with.
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
        init_from: Weights to start a new fit from: an ElifPose checkpoint, an MMPose-style ``.pth`` or
            ``.safetensors``. A resumed fit ignores it.
        init_scope: ``all`` of the network, the ``backbone`` alone, or what is ``matching`` by name and shape (which
            drops the head's layers for another number of keypoints).
        channels_last: Memory order of the convolutions; faster than the default on CPUs and GPUs alike.
    """

    def __init__(
        self,
        network: PoseEstimator,
        codec: SimCC,
        skeleton: str = "halpe26",
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
        init_from: str | None = None,
        init_scope: Literal["all", "backbone", "matching"] = "all",
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.skeleton = get_skeleton(skeleton)
        if network.head.num_keypoints != self.skeleton.num_keypoints or network.head.bins != codec.bins:
            raise ElifPoseError(
                f"model: the head answers {network.head.num_keypoints} keypoints in {network.head.bins} bins, but"
                f" skeleton {skeleton!r} has {self.skeleton.num_keypoints} and the codec {codec.bins} bins"
            )
        if init_from is not None and not Path(init_from).is_file():
            raise ElifPoseError(f"model.init_from: there is no file {init_from}")
        if channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.network = network
        self.codec = codec
        self.loss = SimCCLoss(codec, beta=loss_beta)
        self.auxiliary = nn.ModuleList(self._build_auxiliary(network) if auxiliary_weight else ())
        self.auxiliary_weight = auxiliary_weight
        self.auxiliary_sigma = auxiliary_sigma
        self.flip_test = flip_test
        self._optimizer = optimizer
        self._schedule = schedule
        self._scheduler = scheduler
        self._learning_rate_rule: LearningRateRule = learning_rate_rule
        self._base_batch_size = base_batch_size
        self._init_from = init_from
        self._init_scope: Literal["all", "backbone", "matching"] = init_scope
        weights = self.skeleton.joint_weights if joint_weights else (1.0,) * self.skeleton.num_keypoints
        self.register_buffer("joint_weights", torch.tensor(weights), persistent=False)
        self.register_buffer("flip_indices", torch.tensor(self.skeleton.flip_indices), persistent=False)
        self._evaluators: dict[str, dict[str, SetEvaluator]] = {}

    @staticmethod
    def _build_auxiliary(network: PoseEstimator) -> list[AuxiliaryHeatmap]:
        channels = network.backbone.out_channels
        if len(channels) < 2 or network.neck is not None:
            raise ElifPoseError(
                "model.auxiliary_weight: the coarse heatmap loss needs a backbone that gives two maps and no neck;"
                " set --model.network.backbone.out_stages=[3,4], or --model.auxiliary_weight=0"
            )
        return [AuxiliaryHeatmap(of_map, network.head.num_keypoints) for of_map in channels[:-1]]

    @property
    def datamodule(self) -> PoseDataModule | None:
        """The data module that the trainer runs on, if it is ElifPose's."""
        datamodule = getattr(self._trainer, "datamodule", None)
        return datamodule if isinstance(datamodule, PoseDataModule) else None

    # ------------------------------------------------------------------------------------------------- training

    @override
    def setup(self, stage: str) -> None:
        if stage == "fit" and self._init_from is not None and self.trainer.ckpt_path is None:
            report = load_checkpoint(self.network, self._init_from, scope=self._init_scope)
            self.print(f"Starting from {self._init_from}: {report}")

    @override
    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        features = self.network.features(batch.images)
        heatmaps = self.network.head.heatmaps(features)
        simcc_x, simcc_y = self.network.head.classify(heatmaps)
        weights = batch.weights * cast("Tensor", self.joint_weights)
        loss: Tensor = self.loss(simcc_x, simcc_y, batch.keypoints_input, weights)
        self.log("train/loss_simcc", loss)
        if self.auxiliary_weight:
            earlier = (auxiliary(of_stage) for auxiliary, of_stage in zip(self.auxiliary, features, strict=False))
            auxiliary = sum(
                heatmap_cross_entropy(
                    maps, batch.keypoints_input, weights, self.codec.input_size, self.auxiliary_sigma
                )
                for maps in (heatmaps, *earlier)
            )
            self.log("train/loss_auxiliary", auxiliary)
            loss = loss + self.auxiliary_weight * auxiliary
        self.log("train/loss", loss, prog_bar=True)
        if self._is_logging_step:
            self._log_training_progress(simcc_x.detach(), simcc_y.detach(), batch)
        return loss

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
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self._is_logging_step:
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self._optimizer(parameter_groups(self))
        datamodule = self.datamodule
        if datamodule is not None:
            people = datamodule.batch_size * self.trainer.world_size * self.trainer.accumulate_grad_batches
            factor = learning_rate_factor(self._learning_rate_rule, people, self._base_batch_size)
            for group in optimizer.param_groups:
                group["lr"] *= factor
        if self._scheduler is not None:
            return {"optimizer": optimizer, "lr_scheduler": self._scheduler(optimizer)}
        scheduler = self._schedule.scheduler(optimizer, self._total_steps())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _total_steps(self) -> int:
        """Optimizer steps of the whole fit.

        The trainer's own estimate starts the loader, and so before a resumed fit knows its epoch.
        """
        trainer = self.trainer
        if self.datamodule is None:
            return int(trainer.estimated_stepping_batches)
        batches, limit = self.datamodule.train_batches, trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))
        steps = [] if trainer.max_steps == -1 else [trainer.max_steps]
        if trainer.max_epochs is not None and trainer.max_epochs >= 0:
            steps.append(trainer.max_epochs * -(-batches // trainer.accumulate_grad_batches))
        if not steps:
            raise ElifPoseError("the learning rate follows the length of the fit: give --trainer.max_epochs")
        return min(steps)

    # ----------------------------------------------------------------------------------------------- evaluation

    @override
    def forward(self, images: Tensor) -> PosePrediction:
        """Keypoints of crops, ``(N, 3, H, W)`` uint8 or float RGB; with the flip test where it is on."""
        simcc_x, simcc_y = (
            self.network.forward_flip_test(images, cast("Tensor", self.flip_indices))
            if self.flip_test
            else self.network(images)
        )
        return PosePrediction(*self.codec.decode(simcc_x, simcc_y))

    @override
    def on_validation_epoch_start(self) -> None:
        self._reset_evaluators("val")

    @override
    def on_test_epoch_start(self) -> None:
        self._reset_evaluators("test")

    @override
    def validation_step(self, batch: PoseBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._evaluate("val", batch, dataloader_idx)

    @override
    def test_step(self, batch: PoseBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._evaluate("test", batch, dataloader_idx)

    @override
    def on_validation_epoch_end(self) -> None:
        self._log_figures("val")

    @override
    def on_test_epoch_end(self) -> None:
        self._log_figures("test")

    def _reset_evaluators(self, split: Literal["val", "test"]) -> None:
        if split not in self._evaluators:
            if self.datamodule is None:
                raise ElifPoseError("evaluation needs a PoseDataModule: it holds the ground truth")
            sets = self.datamodule.val_sets if split == "val" else self.datamodule.test_sets
            self._evaluators[split] = {
                name: SetEvaluator(self.skeleton, dataset.ground_truth()) for name, dataset in sets.items()
            }
        for evaluator in self._evaluators[split].values():
            evaluator.to(self.device)
            evaluator.reset()

    def _evaluate(self, split: Literal["val", "test"], batch: PoseBatch, dataloader_idx: int) -> dict[str, Tensor]:
        prediction: PosePrediction = self(batch.images)
        list(self._evaluators[split].values())[dataloader_idx].update(*prediction, batch)
        return prediction._asdict()

    def _log_figures(self, split: Literal["val", "test"]) -> None:
        figures = {name: evaluator.compute() for name, evaluator in self._evaluators[split].items()}
        for name, of_set in figures.items():
            self.log_dict({f"{split}/{name}/{key}": value for key, value in of_set.items()})
        means = mean_over_sets(list(figures.values()))
        self.log(f"{split}/AP", means.pop("AP"), prog_bar=True)
        self.log_dict({f"{split}/{key}": value for key, value in means.items()})

    # ---------------------------------------------------------------------------------------------- checkpoints

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[RECORD_KEY] = {
            **network_record(self.network),
            "codec": self.codec.arguments(),
            "skeleton": self.skeleton.name,
        }

    @classmethod
    @override
    def load_from_checkpoint(  # type: ignore[override]  # no hyperparameters to override: the file says it all
        cls, checkpoint_path: str | Path, map_location: torch.device | str | None = None
    ) -> Self:
        """The module of a checkpoint, for evaluation or as a start, without the configuration file."""
        record = read_checkpoint(checkpoint_path).record
        if record is None or not {"codec", "skeleton"} <= record.keys():
            raise ElifPoseError(f"{checkpoint_path} is not a checkpoint of a fit: it names no codec and no skeleton")
        module = cls(load_network(checkpoint_path), SimCC(**record["codec"]), skeleton=record["skeleton"])
        return module.to(map_location) if map_location is not None else module
