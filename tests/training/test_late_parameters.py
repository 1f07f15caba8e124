from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    OneCycleLR,
    SequentialLR,
)

from elifpose.training.late_parameters import add_parameters, all_schedulers, scale_learning_rates, without

STEPS = 12
SCHEDULERS: dict[str, Callable[[Optimizer], LRScheduler]] = {
    "lambda": lambda optimizer: LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    "multiplicative": lambda optimizer: MultiplicativeLR(optimizer, lambda _: 0.9),
    "exponential": lambda optimizer: ExponentialLR(optimizer, 0.8),
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, STEPS),
    "cycle": lambda optimizer: OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS),
    "sequential": lambda optimizer: SequentialLR(
        optimizer, [LinearLR(optimizer, 0.1, total_iters=3), ExponentialLR(optimizer, 0.9)], [3]
    ),
}


def parameters(count: int) -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(2)) for _ in range(count)]


def rates(name: str, at: int | None, factor: float = 1.0) -> list[list[float]]:
    """Learning rates of all groups in each step; at step ``at`` parameters come and rates are multiplied."""
    groups: list[dict[str, Any]] = [{"params": parameters(2)}, {"params": parameters(1), "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=0.1)
    scheduler = SCHEDULERS[name](optimizer)
    seen = []
    for step in range(STEPS - 1):
        if step == at:
            add_parameters(optimizer, [scheduler], parameters(3))
            scale_learning_rates(optimizer, [scheduler], factor)
        seen.append([float(group["lr"]) for group in optimizer.param_groups])
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones(2)
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("name", SCHEDULERS)
def test_late_parameters_follow_the_schedule_of_the_others(name: str) -> None:
    expected = rates(name, at=None)
    late = rates(name, at=4)
    assert [of_step[:2] for of_step in late] == expected
    assert [of_step[2] for of_step in late[4:]] == [of_step[0] for of_step in expected[4:]]


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "cosine"])
def test_scaled_rates_stay_in_proportion(name: str) -> None:
    """All but the cosine's end at 0, which has no proportion; it is below."""
    expected, scaled = rates(name, at=None), rates(name, at=4, factor=0.5)
    for step in range(4, STEPS - 1):
        assert scaled[step] == pytest.approx([expected[step][0] / 2] * 3, rel=1e-6), step


def test_a_scaled_cosine_goes_to_its_end() -> None:
    scaled, expected = rates("cosine", at=4, factor=0.5), rates("cosine", at=None)
    assert scaled[-1] == pytest.approx([expected[-1][0] / 2] * 3)


def test_late_parameters_have_the_others_options_but_no_decay() -> None:
    optimizer = SGD([{"params": parameters(1), "momentum": 0.7, "weight_decay": 0.3}], lr=0.2)
    late = parameters(2)
    add_parameters(optimizer, [], late)
    _, group = optimizer.param_groups
    assert all(mine is theirs for mine, theirs in zip(group["params"], late, strict=True))
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.2, 0.7, 0.0)


def test_groups_without_some_parameters() -> None:
    kept, left_out = parameters(2), parameters(2)
    groups = [{"params": [kept[0], left_out[0]], "lr": 1.0}, {"params": [left_out[1], kept[1]], "weight_decay": 0.0}]
    first, second = without(groups, left_out)
    assert [id(p) for p in first["params"]] == [id(kept[0])]
    assert [id(p) for p in second["params"]] == [id(kept[1])]
    assert (first["lr"], second["weight_decay"]) == (1.0, 0.0)


def test_schedulers_within_schedulers_are_found() -> None:
    optimizer = SGD(parameters(1), lr=0.1)
    outer = SCHEDULERS["sequential"](optimizer)
    assert [type(scheduler) for scheduler in all_schedulers([outer])] == [SequentialLR, LinearLR, ExponentialLR]
