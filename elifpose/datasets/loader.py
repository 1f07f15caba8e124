"""Loaders of people: that of training, whose place in an epoch a checkpoint keeps, and their workers."""

import signal
from collections.abc import Iterable, Iterator
from typing import Any, cast, final

import cv2
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _BaseDataLoaderIter
from typing_extensions import override

from elifpose.datasets.sampler import PeopleSampler, SampleKey
from elifpose.structures import PoseSample
from elifpose.structures.batch import collate

_PREFETCHED = 4  # batches per worker: a crowded image or a slow disk is not felt at once


@final
class ResumableLoader(DataLoader[PoseSample]):
    """A loader over a `PeopleSampler` that knows how many batches of the epoch were asked for.

    Lightning keeps ``state_dict`` in each checkpoint, and loads it before the first iteration of a fit that goes on
    in mid-epoch. Batches that workers have read ahead do not count.
    """

    _given = 0

    @override
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # all that is said of a DataLoader's own
        self._given = self._sampler.skipped
        return self._counted(super().__iter__())

    def _counted(self, batches: _BaseDataLoaderIter) -> Iterator[Any]:
        for batch in batches:
            self._given += 1
            yield batch

    @property
    def _sampler(self) -> PeopleSampler:
        return cast("PeopleSampler", self.batch_sampler)

    def state_dict(self) -> dict[str, Any]:
        """``batches``: how many of the epoch were given, with those before a resumption; ``order``: the sampler's."""
        return {"batches": self._given, "order": self._sampler.order}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin the sampler's present epoch there."""
        self._sampler.resume(state_dict["batches"])


def people_loader(
    data: Dataset[PoseSample],
    batches: Iterable[list[SampleKey]],
    workers: int,
    training: bool = False,
    pin_memory: bool = False,
) -> DataLoader[PoseSample]:
    """A loader of batches of people.

    Args:
        data: Gives people by `SampleKey`.
        batches: Whom each batch asks for; a `PeopleSampler` in training.
        workers: Processes that read images; 0 reads in this one.
        training: Whether the loader is resumable, and its workers stay from epoch to epoch.
        pin_memory: Whether batches lie in memory from which a GPU copies faster.
    """
    loader = ResumableLoader if training else DataLoader[PoseSample]
    return loader(
        data,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=start_worker,
        persistent_workers=training and workers > 0,
        prefetch_factor=_PREFETCHED if workers else None,
        pin_memory=pin_memory,
    )


def start_worker(worker: int) -> None:  # noqa: ARG001
    """What a worker does first: use one thread, as there is a worker for each core, and leave stopping to the fit.

    Ctrl-C reaches all processes of a terminal, and a cluster may send SIGTERM to all of a job. Workers that ended at
    once would tear the fit down in mid-step; they end when the fit does.
    """
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
