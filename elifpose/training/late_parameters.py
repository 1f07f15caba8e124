"""Changes of an optimizer and its schedulers in mid-fit: other learning rates, and parameters that come later."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

_RATES_OF_GROUP = ("lr", "initial_lr", "max_lr", "min_lr")
_RATES_OF_SCHEDULER = ("base_lrs", "max_lrs", "_last_lr")
_PER_GROUP = (*_RATES_OF_SCHEDULER, "lr_lambdas", "min_lrs", "base_momentums", "max_momentums")
"""What torch's schedulers keep for each group."""


def scale_learning_rates(optimizer: Optimizer, schedulers: Sequence[LRScheduler], factor: float) -> None:
    """Multiply all learning rates from now on; those of groups without a scheduler too."""
    for group in optimizer.param_groups:
        for name in _RATES_OF_GROUP:
            if name in group:
                group[name] = group[name] * factor
    for scheduler in all_schedulers(schedulers):
        for name in _RATES_OF_SCHEDULER:
            if name in vars(scheduler):
                setattr(scheduler, name, [rate * factor for rate in vars(scheduler)[name]])


def add_parameters(
    optimizer: Optimizer, schedulers: Sequence[LRScheduler], parameters: Sequence[nn.Parameter]
) -> None:
    """Add parameters as a group of their own, with the options and the schedule of the first group but no decay."""
    first = {
        name: value for name, value in optimizer.param_groups[0].items() if name not in ("params", "param_names")
    }
    optimizer.add_param_group({**first, "params": list(parameters), "weight_decay": 0.0})
    for scheduler in all_schedulers(schedulers):
        for name in _PER_GROUP:
            values = vars(scheduler).get(name)
            if isinstance(values, list):
                setattr(scheduler, name, [*values, values[0]])


def without(groups: list[dict[str, Any]], parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups less some parameters."""
    left_out = {id(parameter) for parameter in parameters}
    return [{**group, "params": [p for p in group["params"] if id(p) not in left_out]} for group in groups]


def all_schedulers(schedulers: Iterable[LRScheduler]) -> Iterator[LRScheduler]:
    """Schedulers, and those of which SequentialLR and ChainedScheduler are made."""
    for scheduler in schedulers:
        yield scheduler
        yield from all_schedulers(vars(scheduler).get("_schedulers", ()))
