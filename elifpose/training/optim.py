"""RTMPose's optimisation recipe: what decays, how the learning rate runs, and how it follows the batch size."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as pl
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from elifpose.utils.errors import ElifPoseError

LearningRateRule = Literal["constant", "sqrt", "linear"]


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Two groups of the trainable parameters: those that weight decay may pull, and those that it must not.

    Decay acts on the weights of convolutions and linear layers only. Biases, norms and every scale or offset that
    a layer owns directly (ScaleNorm's ``g``, the attention unit's ``gamma`` and ``beta``, ``scale``) go free: they
    set the size of activations, and pulling them to zero is no regularisation. (MMPose lets those of the attention
    unit decay, by accident of their names.)

    Args:
        module: What is trained.

    Returns:
        Groups for an optimizer; the second one carries ``weight_decay`` 0. No group is empty.
    """
    decays: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for child in module.modules():
        for name, parameter in child.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_kernel = name == "weight" and parameter.ndim >= 2
                (decays if is_kernel else free).append(parameter)
    groups: list[dict[str, Any]] = [{"params": decays}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@dataclass(frozen=True)
class FlatCosine:
    """RTMPose's learning rate: linear warm-up, flat, then half a cosine down to a floor.

    Args:
        warmup_steps: Optimizer steps of the linear warm-up, which starts at 1e-5 of the learning rate.
        warmup_fraction: The warm-up is never longer than this share of the fit, so that short fits have one too.
        flat_fraction: Share of the fit after which the cosine begins; 0.5 is RTMPose's.
        final_factor: Learning rate at the end, relative to its peak.
    """

    warmup_steps: int = 1000
    warmup_fraction: float = 0.05
    flat_fraction: float = 0.5
    final_factor: float = 0.05

    def __post_init__(self) -> None:
        if self.warmup_steps < 0 or not all(
            0 <= share <= 1 for share in (self.warmup_fraction, self.flat_fraction, self.final_factor)
        ):
            raise ElifPoseError(
                f"schedule: warmup_steps must be at least 0 and the fractions between 0 and 1, but it is {self}"
            )

    def factor(self, step: int, total_steps: int) -> float:
        """Learning rate at optimizer step ``step`` (from 0) of ``total_steps``, relative to its peak."""
        warmup = min(self.warmup_steps, round(self.warmup_fraction * total_steps))
        if step < warmup - 1:
            return 1e-5 + (1 - 1e-5) * step / (warmup - 1)
        flat_until = self.flat_fraction * total_steps
        if step <= flat_until:
            return 1.0
        done = min(1.0, (step - flat_until) / (total_steps - flat_until))
        return self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * done)) / 2

    def scheduler(self, optimizer: Optimizer, total_steps: int) -> LambdaLR:
        """The schedule as torch's scheduler, to be stepped after each optimizer step."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total_steps))


def total_steps(trainer: pl.Trainer, batches: int | None) -> int:
    """Optimizer steps of a whole fit.

    The trainer's own estimate starts the loader, and so before a resumed fit knows its epoch.

    Args:
        trainer: Knows the fit's length, the limits and the accumulation.
        batches: Of an epoch, in each process; None asks the trainer after all.

    Raises:
        ElifPoseError: If the fit has no end.
    """
    if batches is None:
        return int(trainer.estimated_stepping_batches)
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))
    steps = [] if trainer.max_steps == -1 else [trainer.max_steps]
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        steps.append(trainer.max_epochs * -(-batches // trainer.accumulate_grad_batches))
    if not steps:
        raise ElifPoseError("the learning rate follows the length of the fit: give --trainer.max_epochs")
    return min(steps)


def learning_rate_factor(rule: LearningRateRule, batch_size: int, base_batch_size: int) -> float:
    """By how much the configured learning rate is multiplied for a batch of another size.

    A batch *above* the base keeps the configured rate: RTMPose trains with 2,048 to 8,192 people at the very rate
    that it states for 1,024. Below it, ``sqrt`` follows the square root of the ratio (the noise of Adam's update
    goes with it: Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022) and
    ``linear`` the ratio itself.

    Args:
        rule: ``constant``, ``sqrt`` or ``linear``.
        batch_size: People per optimizer step, over all processes and accumulated batches.
        base_batch_size: The batch that the configured learning rate is meant for.
    """
    exponent = {"constant": 0.0, "sqrt": 0.5, "linear": 1.0}[rule]
    return float(min(1.0, batch_size / base_batch_size) ** exponent)
