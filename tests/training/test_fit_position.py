import copy
from typing import Any

import pytest

from elifpose.training.fit_position import finish, follow_order

ORDER = {"batches": 10, "batch_size": 4, "processes": 2, "people": [75]}


def progress(ready: int, processed: int, completed: int) -> dict[str, int]:
    return {"ready": ready, "started": ready, "processed": processed, "completed": completed}


def loops(batches: dict[str, int], *, epochs: dict[str, int] | None = None, last: bool = False) -> dict[str, Any]:
    """The state of a fit in epoch 2; by itself that epoch is not over."""
    epochs = epochs or progress(3, 2, 2)
    return {
        "epoch_progress": {"current": dict(epochs), "total": dict(epochs)},
        "epoch_loop.batch_progress": {
            "current": dict(batches),
            "total": {name: count + 20 for name, count in batches.items()},
            "is_last_batch": last,
        },
        "epoch_loop.val_loop.batch_progress": {"current": progress(5, 5, 5), "total": progress(9, 9, 9)},
        "epoch_loop.state_dict": {"_batches_that_stepped": 20 + batches["completed"]},
        "state_dict": {"combined_loader": [{"batches": batches["processed"], "order": ORDER}]},
    }


def validation_begins(state: dict[str, Any]) -> bool:
    """As Lightning finds out whether to finish a validation."""
    total = state["epoch_loop.val_loop.batch_progress"]["total"]
    return bool(total["started"] == total["ready"] == total["processed"] + 1 and total["completed"] == 0)


@pytest.mark.parametrize("validates", [True, False])
def test_after_the_last_batch_comes_the_end_of_the_epoch(validates: bool) -> None:
    state = loops(progress(10, 10, 9), last=True)
    finish(state, validates)
    batches = state["epoch_loop.batch_progress"]
    assert batches == {"current": progress(10, 10, 10), "total": progress(30, 30, 30), "is_last_batch": True}
    assert state["epoch_progress"]["current"] == progress(3, 2, 2)
    assert validation_begins(state) == validates
    assert state["epoch_loop.state_dict"]["_batches_that_stepped"] == 30 - validates
    assert state["state_dict"]["combined_loader"][0]["batches"] == 10


def test_a_batch_within_the_epoch_is_left_to_lightning_unless_validation_follows() -> None:
    state = loops(progress(4, 4, 3))
    before = copy.deepcopy(state["epoch_loop.batch_progress"])
    finish(state, validates=False)
    assert state["epoch_loop.batch_progress"] == before
    assert not validation_begins(state)
    finish(state, validates=True)
    assert state["epoch_loop.batch_progress"]["current"] == progress(4, 4, 4)
    assert validation_begins(state)


def test_an_epoch_that_is_over_is_over() -> None:
    state = loops(progress(10, 10, 10), epochs=progress(3, 3, 2), last=True)
    finish(state, validates=False)
    assert state["epoch_progress"]["current"] == progress(3, 3, 3)
    assert state["epoch_loop.batch_progress"]["current"] == progress(0, 0, 0)
    assert not state["epoch_loop.batch_progress"]["is_last_batch"]
    assert not state["state_dict"]
    assert follow_order(state, {**ORDER, "batch_size": 8}) is None


def test_the_same_order_goes_on_in_its_place() -> None:
    state = loops(progress(4, 4, 3))
    before = copy.deepcopy(state)
    assert follow_order(state, dict(ORDER)) is None
    assert state == before


@pytest.mark.parametrize(
    ("done", "batches", "start"), [(5, 20, 10), (5, 5, 2), (1, 5, 0), (9, 3, 2), (10, 3, 3), (10, 77, 77)]
)
def test_another_order_goes_on_at_the_same_share(done: int, batches: int, start: int) -> None:
    state = loops(progress(done, done, done - 1))
    told = follow_order(state, {**ORDER, "batches": batches, "processes": 1})
    assert told is not None
    assert f"epoch 2 stood at batch {done} of 10, dealt otherwise than now (processes 1, not 2)" in told
    assert f"goes on at batch {start} of {batches}" in told
    assert state["state_dict"]["combined_loader"][0]["batches"] == start
    assert state["epoch_loop.batch_progress"]["current"] == progress(start, start, start - 1)
