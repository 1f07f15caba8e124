"""In which order people are seen: batches that keep an image's people together, shared out among processes."""

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from elifpose.utils.errors import ElifPoseError

IntArray = npt.NDArray[np.integer]

_PART = 4096


class SampleKey(NamedTuple):
    """What a data set is asked for; the only way by which workers that live on learn the epoch."""

    epoch: int
    stage: int
    """2 in the last epochs of a recipe that eases its augmentation, else 1."""
    sample: int
    """Position of the person in the data set."""
    repeat: int = 0
    """How often this person came before in the epoch, where a set's weight is above 1."""


class _Unit(NamedTuple):
    """People of one image that are decoded together."""

    image: int
    start: int
    """Position of the first in the list of people sorted by image."""
    people: int
    repeat: int


_UnitArrays = npt.NDArray[np.int64]
"""``(U, 4)``, the fields of `_Unit`."""


@final
class PeopleSampler(Sampler[list[SampleKey]]):
    """Shuffled training batches over several data sets, one after the other in the numbering of people.

    Images are shuffled and the people of one stay consecutive, so that a batch decodes it once; what exceeds the
    cap goes to later batches. Everyone comes exactly once an epoch over all processes together (as often as the
    set's weight says). Nothing is left over: an epoch has as many batches as the batch size asks for, rounded up
    to the same number for each process, and their sizes differ by one at most. Only where that makes more batches
    than people (batches of one, or fewer people than processes) do some come again, fewer than there are processes.

    Args:
        images: For each data set, the image of each person, ``(S,)`` integers.
        batch_size: People in a batch, at most.
        weights: Share of each data set relative to its size; all 1 if None.
        seed: With the epoch, decides the order.
        group_by_image: Keep an image's people together; otherwise people are shuffled one by one.
        max_people_per_image: How many people of one image may be in a batch, when they are kept together. Exceeded
            only where nobody else is left at an epoch's end.
        rank: Which process this is.
        world_size: How many there are.
        switch_epoch: The first epoch, from 0, of stage 2; None for never.

    Attributes:
        epoch: Whose order comes next.
        order: What decides the order beside the epoch, as what JSON can hold: two samplers with the same one, and of
            the same data, deal the same batches. ``batches`` is how many an epoch has in each process.

    Raises:
        ElifPoseError: If there is nobody to show, or a size is not positive.
    """

    def __init__(
        self,
        images: Sequence[IntArray],
        batch_size: int,
        *,
        weights: Sequence[float] | None = None,
        seed: int = 0,
        group_by_image: bool = True,
        max_people_per_image: int = 4,
        rank: int = 0,
        world_size: int = 1,
        switch_epoch: int | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("max_people_per_image", max_people_per_image)):
            if value < 1:
                raise ElifPoseError(f"{name} is {value}; it must be at least 1")
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.switch_epoch = switch_epoch
        self.epoch = 0
        self._resumed = (0, 0)
        self._cap = max_people_per_image
        offsets = np.cumsum([0, *map(len, images)])
        self._order = np.arange(offsets[-1])
        self._units: list[_UnitArrays] = []
        self._shares = [
            max(round(weight * len(of_set)), min(len(of_set), 1))  # a small share of few people is still somebody
            for weight, of_set in zip(weights or [1.0] * len(images), images, strict=True)
        ]
        first_image = 0
        for of_set, offset in zip(images, offsets, strict=False):
            keys = of_set.astype(np.int64) if group_by_image else np.arange(len(of_set))
            order = np.argsort(keys, kind="stable")
            self._order[offset : offset + len(of_set)] = order + offset
            self._units.append(_units(keys[order] + first_image, int(offset), max_people_per_image))
            first_image += int(keys.max(initial=-1)) + 1
        self.num_people = sum(self._shares)
        if self.num_people == 0:
            raise ElifPoseError("there is nobody to train on; check the data sets and their weights")
        self._rounds = math.ceil(self.num_people / (batch_size * world_size))
        self.order: dict[str, Any] = {
            "batches": self._rounds,
            "batch_size": batch_size,
            "processes": world_size,
            "people": self._shares,
            "seed": seed,
            "group_by_image": group_by_image,
            "max_people_per_image": max_people_per_image,
        }

    @property
    def sampler(self) -> Self:
        """Itself: Lightning tells the epoch to ``loader.batch_sampler.sampler``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew for an epoch; takes effect when iteration starts."""
        self.epoch = epoch

    def resume(self, batches: int) -> None:
        """Leave out the epoch's first batches; other epochs stay whole."""
        self._resumed = (self.epoch, batches)

    @property
    def skipped(self) -> int:
        """How many batches the epoch leaves out."""
        epoch, batches = self._resumed
        return batches if epoch == self.epoch else 0

    def __len__(self) -> int:
        return self._rounds

    def __iter__(self) -> Iterator[list[SampleKey]]:
        stage = 1 if self.switch_epoch is None or self.epoch < self.switch_epoch else 2
        return self._batches(self.epoch, stage, self.skipped)

    def _batches(self, epoch: int, stage: int, skipped: int) -> Iterator[list[SampleKey]]:
        number = self._rounds * self.world_size
        filler = _Filler(self._shuffled(epoch), self._cap)
        size, longer = divmod(max(self.num_people, number), number)
        for position in range(number):
            units = filler.take(size + (position < longer))
            if position >= skipped * self.world_size and position % self.world_size == self.rank:
                yield [
                    SampleKey(epoch, stage, sample, unit.repeat)
                    for unit in units
                    for sample in self._order[unit.start : unit.start + unit.people].tolist()
                ]

    def _shuffled(self, epoch: int) -> Iterator[_Unit]:
        """This epoch's units in their order, as often as their set's share says, and from the start again."""
        rng = np.random.default_rng([self.seed, epoch])
        chosen = [_draw(units, share, rng) for units, share in zip(self._units, self._shares, strict=True)]
        columns = np.concatenate(chosen)
        columns = columns[rng.permutation(len(columns))]
        parts = (columns[start : start + _PART].tolist() for start in range(0, len(columns), _PART))
        units = map(_Unit._make, itertools.chain.from_iterable(parts))  # all at once, a set of 700,000 took a second
        return itertools.cycle(units) if self._rounds * self.world_size > self.num_people else units


class _Filler:
    """Fills batches with units, keeping those back that a batch may not have more of."""

    def __init__(self, units: Iterator[_Unit], cap: int) -> None:
        self._units = units
        self._cap = cap
        self._late: deque[_Unit] = deque()

    def take(self, size: int) -> list[_Unit]:
        """Units of ``size`` people together."""
        batch: list[_Unit] = []
        used: dict[int, int] = {}
        skipped: list[_Unit] = []
        while size and (unit := self._next()) is not None:
            allowed = self._cap - used.get(unit.image, 0)
            taken = min(unit.people, size, allowed)
            if taken:
                batch.append(unit._replace(people=taken))
                used[unit.image] = used.get(unit.image, 0) + taken
                size -= taken
            if taken < unit.people:
                skipped.append(unit._replace(start=unit.start + taken, people=unit.people - taken))
        self._late.extendleft(reversed(skipped))
        while size:  # nobody else is left: the cap gives way
            unit = self._late.popleft()
            taken = min(unit.people, size)
            batch.append(unit._replace(people=taken))
            size -= taken
            if taken < unit.people:
                self._late.appendleft(unit._replace(start=unit.start + taken, people=unit.people - taken))
        return batch

    def _next(self) -> _Unit | None:
        return self._late.popleft() if self._late else next(self._units, None)


def _units(images: IntArray, offset: int, cap: int) -> _UnitArrays:
    """Runs of equal images, cut into pieces of at most ``cap`` people.

    Args:
        images: ``(S,)``, sorted.
        offset: Position of the first person.
        cap: Largest piece.
    """
    if not len(images):
        return np.empty((0, 4), np.int64)
    starts = np.flatnonzero(np.diff(images, prepend=images[0] - 1))
    counts = np.diff(starts, append=len(images))
    pieces = -(-counts // cap)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    within = np.arange(len(first)) - first
    begins = np.repeat(starts, pieces) + within * cap
    lengths = np.minimum(np.repeat(starts + counts, pieces) - begins, cap)
    return np.stack((images[begins], begins + offset, lengths, np.zeros_like(lengths)), axis=-1).astype(np.int64)


def _draw(units: _UnitArrays, share: int, rng: np.random.Generator) -> _UnitArrays:
    """All units as often as ``share`` people need, and for the rest whole units at random, the last one cut."""
    people = int(units[:, 2].sum())
    if not people:
        return units
    times, rest = divmod(share, people)
    extra = units[rng.permutation(len(units))]
    before = np.cumsum(extra[:, 2]) - extra[:, 2]
    extra = extra[before < rest]
    if len(extra):
        extra[-1, 2] = min(extra[-1, 2], rest - before[len(extra) - 1])
    repeats = np.concatenate([np.full(len(units), repeat) for repeat in range(times)] + [np.full(len(extra), times)])
    drawn = np.concatenate([units] * times + [extra])
    drawn[:, 3] = repeats
    return drawn


@final
class OrderedSampler(Sampler[list[SampleKey]]):
    """Validation batches: everyone once, in order, the batches dealt out among the processes.

    Every process has as many batches as any other, or Lightning would wait forever for the one without: the last
    batch is repeated where they do not come out even. Metrics count nobody twice.

    Args:
        num_people: Size of the data set.
        batch_size: People in a batch; the last may have fewer.
        rank: Which process this is.
        world_size: How many there are.

    Raises:
        ElifPoseError: If the batch size is not positive.
    """

    def __init__(self, num_people: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise ElifPoseError(f"val_batch_size is {batch_size}; it must be at least 1")
        starts = range(0, num_people, batch_size)
        rounds = -(-len(starts) // world_size)
        self._starts = [starts[min(rank + world_size * of_round, len(starts) - 1)] for of_round in range(rounds)]
        self._num_people = num_people
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for start in self._starts:
            yield [SampleKey(0, 1, index) for index in range(start, min(start + self._batch_size, self._num_people))]
