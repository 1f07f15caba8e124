import signal
from itertools import islice
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from elifpose.datasets.loader import ResumableLoader, start_worker
from elifpose.datasets.sampler import PeopleSampler, SampleKey


class Echo(Dataset[Any]):
    """Gives back what it is asked for."""

    def __getitem__(self, key: SampleKey) -> SampleKey:
        return key


class Handlers(Dataset[Any]):
    """Tells what signals do in the process that reads it."""

    def __getitem__(self, _: int) -> list[bool]:
        return [signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM)]


def loader(workers: int, epoch: int = 2) -> ResumableLoader:
    sampler = PeopleSampler([np.repeat(np.arange(20), 2)], 4, seed=3)
    sampler.set_epoch(epoch)
    return ResumableLoader(
        Echo(), batch_sampler=sampler, num_workers=workers, collate_fn=list, persistent_workers=workers > 0
    )


def set_epoch(of: ResumableLoader, epoch: int) -> None:
    of.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [0, 2])
def test_it_goes_on_after_the_batches_that_were_given(workers: int) -> None:
    whole = list(loader(0))
    next_epoch = list(loader(0, epoch=3))
    stopped = loader(workers)
    given = list(islice(stopped, 3))
    state = stopped.state_dict()
    assert state["batches"] == 3, "what workers read ahead does not count"

    resumed = loader(workers)
    resumed.load_state_dict(state)
    batches = iter(resumed)
    assert resumed.state_dict() == state
    assert given + list(batches) == whole
    assert resumed.state_dict()["batches"] == len(resumed) == len(whole)
    set_epoch(resumed, 3)
    assert list(resumed) == next_epoch


def test_an_epoch_whose_last_batch_was_given_gives_no_more() -> None:
    stopped = loader(0)
    assert len(list(stopped)) == 10
    resumed = loader(0)
    resumed.load_state_dict(stopped.state_dict())
    assert not list(resumed)


def test_workers_leave_signals_to_the_fit() -> None:
    ignored: DataLoader[Any] = DataLoader(Handlers(), sampler=[0], num_workers=1, worker_init_fn=start_worker)
    ((for_interrupt, for_termination),) = ignored
    assert for_interrupt.all()
    assert for_termination.all()
