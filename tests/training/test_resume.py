import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim import lr_scheduler as schedulers
from torch.optim.lr_scheduler import LRScheduler

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training import ElifPoseModule
from elifpose.training.optim import FlatCosine
from elifpose.training.resume import options_of, reassert, require_fitting
from elifpose.utils.errors import ElifPoseError

Schedule = Callable[[Optimizer], LRScheduler]
STEPS = 7


class Part:
    """An optimizer of two parameters in two groups, with its scheduler."""

    def __init__(self, schedule: Schedule, kind: Callable[..., Optimizer] = AdamW, **options: Any) -> None:
        torch.manual_seed(0)
        self.parameters = [nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(2))]
        groups = [{"params": [self.parameters[0]]}, {"params": [self.parameters[1]], "weight_decay": 0.0}]
        self.optimizer = kind(groups, **options)
        self.scheduler = schedule(self.optimizer)
        self.configured = options_of(self.optimizer, [self.scheduler])

    def run(self, steps: int = STEPS) -> list[float]:
        """Learning rates after each of the steps."""
        rates = []
        for _ in range(steps):
            sum((parameter**2).sum() for parameter in self.parameters).backward()  # type: ignore[union-attr]
            self.optimizer.step()
            if isinstance(self.scheduler, schedulers.ReduceLROnPlateau):
                self.scheduler.step(1.0)
            else:
                self.scheduler.step()
            rates.append(float(self.optimizer.param_groups[0]["lr"]))
        return rates

    def checkpoint(self) -> dict[str, Any]:
        state = {"optimizer_states": [self.optimizer.state_dict()], "lr_schedulers": [self.scheduler.state_dict()]}
        return copy.deepcopy(state)

    def resume(self, checkpoint: dict[str, Any]) -> list[str]:
        """Load as Lightning does, then let the configuration win."""
        require_fitting(self.optimizer, [self.scheduler], checkpoint)
        self.optimizer.load_state_dict(checkpoint["optimizer_states"][0])
        self.scheduler.load_state_dict(checkpoint["lr_schedulers"][0])
        return reassert(self.optimizer, [self.scheduler], self.configured)


def one_cycle(optimizer: Optimizer) -> LRScheduler:
    return schedulers.OneCycleLR(optimizer, max_lr=3 * optimizer.param_groups[0]["lr"], total_steps=20)


def sequential(optimizer: Optimizer) -> LRScheduler:
    parts = [schedulers.LinearLR(optimizer, 0.1, total_iters=4), schedulers.ExponentialLR(optimizer, 0.9)]
    return schedulers.SequentialLR(optimizer, parts, milestones=[4])


def flat_cosine(optimizer: Optimizer, warmup_fraction: float = 0.2, steps: int = 20) -> LRScheduler:
    return FlatCosine(warmup_fraction=warmup_fraction, flat_fraction=0.2).scheduler(optimizer, steps)


SCHEDULES: dict[str, Schedule] = {
    "flat cosine": flat_cosine,
    "step": partial(schedulers.StepLR, step_size=3, gamma=0.5),
    "steps": partial(schedulers.MultiStepLR, milestones=[2, 9], gamma=0.5),
    "cosine": partial(schedulers.CosineAnnealingLR, T_max=20, eta_min=0.01),
    "exponential": partial(schedulers.ExponentialLR, gamma=0.9),
    "linear": partial(schedulers.LinearLR, start_factor=0.2, total_iters=10),
    "plateau": partial(schedulers.ReduceLROnPlateau, patience=1, factor=0.5),
    "one cycle": one_cycle,
    "sequential": sequential,
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("kind", [AdamW, partial(SGD, momentum=0.9)], ids=["AdamW", "SGD"])
def test_another_peak_goes_on_where_a_run_with_it_would_be(
    schedule: Schedule, kind: Callable[..., Optimizer]
) -> None:
    before, afresh = Part(schedule, kind, lr=0.1), Part(schedule, kind, lr=0.4)
    before.run()
    expected = [*afresh.run(), *afresh.run()]
    resumed = Part(schedule, kind, lr=0.4)
    sentences = resumed.resume(before.checkpoint())
    assert resumed.optimizer.param_groups[0]["lr"] == pytest.approx(expected[STEPS - 1], rel=1e-12)
    assert resumed.run() == pytest.approx(expected[STEPS:], rel=1e-12)
    peaks = [group["initial_lr"] for group in (resumed.optimizer.param_groups[0], before.optimizer.param_groups[0])]
    assert "learning rate: {} (the checkpoint had {})".format(*peaks) in sentences


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            SCHEDULES["step"],
            partial(schedulers.StepLR, step_size=2, gamma=0.25),
            {"StepLR.step_size", "StepLR.gamma"},
        ),
        (
            SCHEDULES["cosine"],
            partial(schedulers.CosineAnnealingLR, T_max=40, eta_min=0.0),
            {"CosineAnnealingLR.T_max", "CosineAnnealingLR.eta_min"},
        ),
        (flat_cosine, partial(flat_cosine, warmup_fraction=0.5, steps=40), set()),
    ],
    ids=["step", "cosine", "flat cosine"],
)
def test_a_schedules_own_options_win(old: Schedule, new: Schedule, told: set[str]) -> None:
    before, afresh, resumed = Part(old, lr=0.1), Part(new, lr=0.1), Part(new, lr=0.1)
    before.run()
    expected = [*afresh.run(), *afresh.run()]
    assert {sentence.split(":")[0] for sentence in resumed.resume(before.checkpoint())} == told
    assert resumed.optimizer.param_groups[0]["lr"] == pytest.approx(expected[STEPS - 1], rel=1e-12)
    assert resumed.run() == pytest.approx(expected[STEPS:], rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("kind", [AdamW, partial(SGD, momentum=0.9, nesterov=True)], ids=["AdamW", "SGD"])
def test_what_does_not_differ_is_left_bit_for_bit(schedule: Schedule, kind: Callable[..., Optimizer]) -> None:
    whole, resumed = Part(schedule, kind, lr=0.1), Part(schedule, kind, lr=0.1)
    whole.run()
    assert resumed.resume(whole.checkpoint()) == []
    assert resumed.checkpoint()["lr_schedulers"] == whole.checkpoint()["lr_schedulers"]
    groups, expected = resumed.optimizer.param_groups, whole.optimizer.param_groups
    for group, of_whole in zip(groups, expected, strict=True):
        assert _options(group) == _options(of_whole)
    assert resumed.run() == whole.run()


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def test_options_of_the_optimizer_win_in_their_groups() -> None:
    before = Part(flat_cosine, lr=0.1, betas=(0.9, 0.999), weight_decay=0.05)
    before.run()
    resumed = Part(flat_cosine, lr=0.1, betas=[0.9, 0.99], weight_decay=0.1, amsgrad=False)
    sentences = resumed.resume(before.checkpoint())
    assert sentences == [
        "betas: (0.9, 0.99) (the checkpoint had (0.9, 0.999))",
        "weight_decay: 0.1 (the checkpoint had 0.05)",
    ]
    assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [0.1, 0.0]
    assert [group["lr"] for group in resumed.optimizer.param_groups] == [
        group["lr"] for group in before.optimizer.param_groups
    ]


def test_lists_and_tuples_of_the_same_numbers_do_not_differ() -> None:
    before = Part(flat_cosine, lr=0.1, betas=(0.9, 0.95))
    before.run()
    assert Part(flat_cosine, lr=0.1, betas=[0.9, 0.95]).resume(before.checkpoint()) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Part(flat_cosine, SGD, lr=0.1), "optimizer is no SGD: it has amsgrad, betas"),
        (Part(SCHEDULES["step"], lr=0.1), "scheduler is no StepLR: it has lr_lambdas"),
    ],
    ids=["optimizer", "scheduler"],
)
def test_a_state_of_another_kind_is_refused_in_a_sentence(other: Part, expected: str) -> None:
    before = Part(flat_cosine, lr=0.1)
    with pytest.raises(ElifPoseError, match=expected):
        require_fitting(other.optimizer, [other.scheduler], before.checkpoint())


def test_a_state_of_other_groups_is_refused_in_a_sentence() -> None:
    before, optimizer = Part(flat_cosine, lr=0.1), AdamW([nn.Parameter(torch.zeros(2))])
    with pytest.raises(ElifPoseError, match=r"groups of \[1, 1\] parameters, the configured one of \[1\]"):
        require_fitting(optimizer, [flat_cosine(optimizer)], before.checkpoint())


# ------------------------------------------------------------------------------------------------------ real fits


def fit(root: Path, folder: Path, epochs: int, checkpoint: Path | None = None, **options: Any) -> pl.Trainer:
    """Fit a small network, saving ``epoch<n>.ckpt`` after each epoch."""

    class SaveEachEpoch(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.save_checkpoint(folder / f"epoch{trainer.current_epoch}.ckpt")

    size = (64, 64)
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125), RTMCCHead(128, 26, size, hidden_dims=32))
    optimizer = options.pop("kind", AdamW)
    module = ElifPoseModule(network, SimCC(size), optimizer=partial(optimizer, **options))
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    data = PoseDataModule(train, val, root=str(root), input_size=size, batch_size=4, num_workers=0)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        limit_val_batches=0,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[SaveEachEpoch()],
    )
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    return trainer


def test_a_fit_goes_on_with_the_configured_options(
    rendered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(rendered, tmp_path, 3, lr=1e-3)
    same = fit(rendered, tmp_path, 3, tmp_path / "epoch0.ckpt", lr=1e-3)
    assert "the checkpoint had" not in caplog.text
    changed = fit(rendered, tmp_path, 3, tmp_path / "epoch0.ckpt", lr=0.5, weight_decay=0.3)
    factor = changed.optimizers[0].param_groups[0]["initial_lr"] / 0.5  # what the batch size does to the rate
    assert f"learning rate: {0.5 * factor} (the checkpoint had {1e-3 * factor})" in caplog.text
    assert "weight_decay: 0.3 (the checkpoint had 0.01)" in caplog.text
    ratio = changed.optimizers[0].param_groups[0]["lr"] / same.optimizers[0].param_groups[0]["lr"]
    assert ratio == pytest.approx(500)
    assert [group["weight_decay"] for group in changed.optimizers[0].param_groups] == [0.3, 0.0]


def test_a_fit_does_not_go_on_with_another_optimizer(rendered: Path, tmp_path: Path) -> None:
    fit(rendered, tmp_path, 1, lr=1e-3)
    with pytest.raises(ElifPoseError, match="no SGD"):
        fit(rendered, tmp_path, 2, tmp_path / "epoch0.ckpt", kind=SGD, lr=1e-3)
