"""What was configured wins over what a checkpoint restores: the optimizer's options and the schedulers'."""

import copy
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from elifpose.training.late_parameters import all_schedulers
from elifpose.utils.errors import ElifPoseError

_POSITION = frozenset(
    {"last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"}
    | {"best", "num_bad_epochs", "cooldown_counter", "T_cur", "T_i"}
)
"""Where a scheduler stands, which is the checkpoint's to say. All else of a scheduler is configuration."""
_NO_OPTIONS = _POSITION | {"optimizer", "lr_lambdas", "_schedulers"}
_CYCLED = frozenset({"base_momentum", "max_momentum"})
"""Options by which OneCycleLR and CyclicLR move a group's momentum, or Adam's first beta, with the learning rate."""
_OF_SCHEDULERS = _CYCLED | {"initial_lr", "max_lr", "min_lr"}
_REMEDY = "give the checkpoint's configuration, or start a new fit from its weights with --model.init_from"


class Options(NamedTuple):
    """What was configured, as it stands before a checkpoint is loaded."""

    groups: list[dict[str, Any]]
    """Of each parameter group."""
    schedulers: list[dict[str, Any]]
    """Of each scheduler and of those that it is made of."""


def options_of(optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> Options:
    """The configured options, to be taken as soon as optimizer and schedulers were built.

    Each group is given ``initial_lr`` where no scheduler did (ReduceLROnPlateau does not), so that a checkpoint says
    which learning rate its own one came from.
    """
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return Options(
        groups=[_copy(group, {"params", "param_names"}) for group in optimizer.param_groups],
        schedulers=[_copy(vars(scheduler), _NO_OPTIONS) for scheduler in all_schedulers(schedulers)],
    )


def require_fitting(optimizer: Optimizer, schedulers: Sequence[LRScheduler], checkpoint: Mapping[str, Any]) -> None:
    """Check that the state of a checkpoint belongs to such an optimizer and scheduler, before it is loaded.

    Args:
        optimizer: As configured.
        schedulers: As configured.
        checkpoint: Lightning's; ``optimizer_states`` and ``lr_schedulers`` are looked at.

    Raises:
        ElifPoseError: If the checkpoint's optimizer or scheduler is another one, or has other parameters.
    """
    saved = checkpoint["optimizer_states"][0]["param_groups"]
    sizes, own_sizes = ([len(group["params"]) for group in groups] for groups in (saved, optimizer.param_groups))
    if sizes != own_sizes:
        raise ElifPoseError(
            f"--ckpt_path: the checkpoint's optimizer has groups of {sizes} parameters, the configured one of"
            f" {own_sizes}; {_REMEDY}"
        )
    own = _OF_SCHEDULERS.union(*optimizer.param_groups)
    if unknown := sorted({name for group in saved for name in group} - own):
        raise ElifPoseError(
            f"--ckpt_path: the checkpoint's optimizer is no {type(optimizer).__name__}: it has"
            f" {', '.join(unknown)}; {_REMEDY}"
        )
    for scheduler, state in zip(schedulers, checkpoint["lr_schedulers"], strict=False):
        own = frozenset(scheduler.state_dict())
        if (unknown := sorted(state.keys() - own)) and own - state.keys():
            raise ElifPoseError(
                f"--ckpt_path: the checkpoint's learning rate scheduler is no {type(scheduler).__name__}: it has"
                f" {', '.join(unknown)}; {_REMEDY}"
            )


def reassert(optimizer: Optimizer, schedulers: Sequence[LRScheduler], configured: Options) -> list[str]:
    """Give restored optimizer and schedulers the configured options; what does not differ stays bit for bit.

    The schedule goes on where it was. With another peak or other options of its own it gives the learning rate that
    it has at this place, where that can be computed, and else the restored one in proportion to the peaks.

    Args:
        optimizer: With a checkpoint's state.
        schedulers: With a checkpoint's state.
        configured: From `options_of`, before the checkpoint was loaded.

    Returns:
        A sentence for each option that was overridden, such as ``learning rate: 0.5 (the checkpoint had 0.004)``.
    """
    groups, parts = optimizer.param_groups, list(all_schedulers(schedulers))
    ratios = [_peak_ratio(group, options) for group, options in zip(groups, configured.groups, strict=True)]
    moved = any(ratio != 1 for ratio in ratios)
    overridden: list[str] = []
    for group, options in zip(groups, configured.groups, strict=True):
        scheduled = {"lr", "betas", "momentum"} if _CYCLED & group.keys() else {"lr"}
        changes = _set(group, {name: value for name, value in options.items() if name not in scheduled})
        overridden += [f"{'learning rate' if name == 'initial_lr' else name}: {text}" for name, text in changes]
    for part, options in zip(parts, configured.schedulers, strict=True):
        changes = _set(vars(part), options)
        moved = moved or bool(changes)
        public = (change for change in changes if change[0] != "base_lrs" and not change[0].startswith("_"))
        overridden += [f"{type(part).__name__}.{name}: {text}" for name, text in public]
    rates = _rates(parts[0], moved) if len(parts) == 1 else None
    for index, group in enumerate(groups):
        group["lr"] = group["lr"] * ratios[index] if rates is None else rates[index]
    for scheduler in schedulers:
        scheduler._last_lr = [group["lr"] for group in groups]
    return list(dict.fromkeys(overridden))


def _rates(scheduler: LRScheduler, moved: bool) -> list[float] | None:
    """Learning rates of the groups at a scheduler's place, if it can tell.

    A LambdaLR is always asked: its function is in no checkpoint, so that another length of the fit or another
    warm-up shows only here.
    """
    if isinstance(scheduler, LambdaLR):
        pairs = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        return [float(base) * factor(scheduler.last_epoch) for base, factor in pairs]
    closed_form: Callable[[], list[float]] | None = getattr(scheduler, "_get_closed_form_lr", None)
    return closed_form() if moved and closed_form is not None else None


def _peak_ratio(group: Mapping[str, Any], options: Mapping[str, Any]) -> float:
    """A group's configured learning rate over the one that the checkpoint's was configured with."""
    restored = group.get("initial_lr")
    return float(options["initial_lr"] / restored) if restored else 1.0


def _set(restored: dict[str, Any], options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Overwrite what differs from the options: their names, and the values as words."""
    changes = []
    for name, value in options.items():
        if not _equal(restored.get(name), value):
            changes.append((name, f"{value} (the checkpoint had {restored.get(name)})"))
            restored[name] = copy.deepcopy(value)
    return changes


def _equal(first: object, second: object) -> bool:
    """Whether two options are the same; YAML has lists where Python has tuples."""
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)


def _copy(options: Mapping[str, Any], without: Set[str]) -> dict[str, Any]:
    return {name: copy.deepcopy(value) for name, value in options.items() if name not in without}
