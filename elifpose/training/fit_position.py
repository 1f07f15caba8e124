"""Where a fit stands in its epoch, as Lightning's loops save it; what Lightning 2.6 makes wrongly of it is put right.

``loops`` is the entry ``["loops"]["fit_loop"]`` of a checkpoint, and is changed in place.
"""

from typing import Any

_BATCHES = "epoch_loop.batch_progress"
_VALIDATION = "epoch_loop.val_loop.batch_progress"
_IDLE = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
_BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
"""Of a validation that stopped in its first batch: Lightning begins it anew."""


def finish(loops: dict[str, Any], validates: bool) -> None:
    """Have a fit go on from a state with what comes next: a batch, a validation, the end of an epoch or another one.

    A state that is saved in ``on_train_batch_end`` says of the batch that it is not over. Lightning would leave out
    the validation after it, and take the epoch that it is the last one of for ended, without the hooks of its end and
    of the next one's start. One that is saved in ``on_train_epoch_end`` says so of the epoch; with a limit of steps
    Lightning would end it a second time instead of the next one.

    Args:
        loops: As saved at any time in a fit.
        validates: Whether validation follows the batch, in ``on_train_batch_end``.
    """
    epochs, batches = loops["epoch_progress"], loops[_BATCHES]
    if epochs["current"]["ready"] == epochs["current"]["processed"]:
        _complete(epochs)
        batches.update(current=dict(_IDLE), is_last_batch=False)
        loops["state_dict"].pop("combined_loader", None)
    pending = _IDLE
    if batches["current"]["completed"] < batches["current"]["processed"] and (validates or batches["is_last_batch"]):
        _complete(batches)
        pending = _BEGUN if validates else _IDLE
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] += not validates  # after a validation Lightning does
    loops[_VALIDATION] = {"total": dict(pending), "current": dict(_IDLE), "is_last_batch": False}


def _complete(progress: dict[str, Any]) -> None:
    for counts in (progress["current"], progress["total"]):
        counts["completed"] = counts["processed"]


def follow_order(loops: dict[str, Any], order: dict[str, Any]) -> str | None:
    """Fit a state in mid-epoch to another order of batches: the epoch goes on at the same share of it.

    Args:
        loops: As `finish` left it, of a fit with a `ResumableLoader`.
        order: The loader's own, see `PeopleSampler`.

    Returns:
        A sentence of what changed and what follows from it; None if the order is the same, or no epoch had begun.
    """
    states = loops["state_dict"].get("combined_loader", [])
    if not states or states[0]["order"] == order:
        return None
    done, saved = states[0]["batches"], states[0]["order"]
    start = done * order["batches"] // saved["batches"]
    states[0]["batches"] = start
    current = loops[_BATCHES]["current"]
    current.update({name: count + start - done for name, count in current.items()})
    differing = [name for name in order if name != "batches" and order[name] != saved.get(name)]
    changes = [f"{name} {order[name]}, not {saved.get(name)}" for name in differing]
    return (
        f"epoch {loops['epoch_progress']['current']['processed']} stood at batch {done} of {saved['batches']}, dealt"
        f" otherwise than now ({'; '.join(changes)}): it goes on at batch {start} of {order['batches']} of the new"
        " order, so that in this epoch some people come twice and some not at all"
    )
