import itertools
import json
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lightning.fabric.utilities.data import _set_sampler_epoch
from torch.utils.data import DataLoader

from elifpose.datasets.sampler import OrderedSampler, PeopleSampler, SampleKey
from elifpose.utils.errors import ElifPoseError


def images_of(people: list[int]) -> npt.NDArray[np.int64]:
    """For each person the image, from the number of people in each image."""
    return np.repeat(np.arange(len(people)), people)


CROWDED = images_of([1, 2, 14, 3, 3, 1, 5, 9, 2, 2, 1, 4])


def everyone(sampler: PeopleSampler) -> list[int]:
    return [key.sample for batch in sampler for key in batch]


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [2, 4, 7, 64])
@pytest.mark.parametrize("grouped", [True, False])
def test_everyone_comes_once_over_all_processes(world_size: int, batch_size: int, grouped: bool) -> None:
    sets = [CROWDED, images_of([3, 1, 2])]
    batches = [
        list(PeopleSampler(sets, batch_size, group_by_image=grouped, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    seen = Counter(key.sample for of_rank in batches for batch in of_rank for key in batch)
    assert seen == Counter(range(len(CROWDED) + 6))
    assert len({len(of_rank) for of_rank in batches}) == 1
    sizes = [len(batch) for of_rank in batches for batch in of_rank]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(batches[0]) == len(PeopleSampler(sets, batch_size, world_size=world_size))


def test_fewer_people_than_processes_are_repeated() -> None:
    batches = [list(PeopleSampler([images_of([2, 1])], 4, rank=rank, world_size=5)) for rank in range(5)]
    assert [len(of_rank) for of_rank in batches] == [1] * 5
    assert {key.sample for (batch,) in batches for key in batch} == {0, 1, 2}
    assert all(len(batch) == 1 for (batch,) in batches)


def test_batches_of_one_repeat_fewer_than_there_are_processes() -> None:
    batches = [list(PeopleSampler([images_of([3, 2, 2])], 1, rank=rank, world_size=3)) for rank in range(3)]
    assert [[len(batch) for batch in of_rank] for of_rank in batches] == [[1] * 3] * 3
    seen = Counter(batch[0].sample for of_rank in batches for batch in of_rank)
    assert sorted(seen.values()) == [1] * 5 + [2] * 2


def test_people_of_an_image_are_consecutive_and_capped() -> None:
    images = images_of([5, 1, 2, 3, 1, 7] * 40)
    decoded = 0
    for batch in PeopleSampler([images], 32, max_people_per_image=4):
        in_batch = [int(images[key.sample]) for key in batch]
        assert max(Counter(in_batch).values()) <= 4
        assert sum(one != other for one, other in pairwise(in_batch)) == len(set(in_batch)) - 1
        decoded += len(set(in_batch))
    assert decoded < 1.15 * sum(-(-people // 4) for people in [5, 1, 2, 3, 1, 7] * 40)


def test_the_cap_gives_way_rather_than_losing_people() -> None:
    sampler = PeopleSampler([images_of([10])], 5, max_people_per_image=2)
    assert sorted(everyone(sampler)) == list(range(10))
    assert [len(batch) for batch in sampler] == [5, 5]


def test_order_does_not_matter_to_grouping() -> None:
    images = images_of([2, 3, 2])[np.array([4, 0, 6, 2, 1, 5, 3])]
    in_order = [int(images[sample]) for sample in everyone(PeopleSampler([images], 7))]
    assert sum(one != other for one, other in pairwise(in_order)) == 2


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = PeopleSampler([CROWDED], 4, seed=seed)
        sampler.set_epoch(epoch)
        return everyone(sampler)

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_every_image_is_equally_likely_to_come_first() -> None:
    sampler = PeopleSampler([images_of([1] * 8)], 8)
    first: Counter[int] = Counter()
    for epoch in range(2000):
        sampler.set_epoch(epoch)
        first[everyone(sampler)[0]] += 1
    assert all(abs(first[sample] - 250) < 5 * 15 for sample in range(8))  # five standard deviations


def test_shares_of_sets() -> None:
    sets = [images_of([2] * 10), images_of([3] * 10), images_of([1] * 20)]
    sampler = PeopleSampler(sets, 8, weights=[0.5, 2.0, 1.25])
    first: set[int] = set()
    second: set[int] = set()
    for epoch, seen in enumerate((first, second)):
        sampler.set_epoch(epoch)
        keys = [key for batch in sampler for key in batch]
        assert len(keys) == sampler.num_people == 10 + 60 + 25
        counts = Counter(key.sample for key in keys)
        assert len({(key.sample, key.repeat) for key in keys}) == len(keys)  # each repeat is augmented in its own way
        halves = [sample for sample in counts if sample < 20]
        assert len(halves) == 10
        seen.update(halves)
        assert all(counts[sample] == 2 for sample in range(20, 50))
        assert sorted(counts[sample] for sample in range(50, 70)) == [1] * 15 + [2] * 5
    assert first != second  # drawn anew


def test_a_share_that_cuts_an_image_is_exact() -> None:
    sampler = PeopleSampler([images_of([3, 3, 3])], 9, weights=[4 / 9])
    assert len(everyone(sampler)) == 4
    assert len(set(everyone(sampler))) == 4


def test_a_tiny_share_is_still_somebody() -> None:
    sampler = PeopleSampler([images_of([3]), images_of([5])], 8, weights=[0.01, 1.0])
    assert sum(sample < 3 for sample in everyone(sampler)) == 1


def test_keys_carry_epoch_and_stage() -> None:
    sampler = PeopleSampler([CROWDED], 4, switch_epoch=3)
    for epoch, stage in ((0, 1), (2, 1), (3, 2), (7, 2)):
        sampler.set_epoch(epoch)
        assert {(key.epoch, key.stage) for batch in sampler for key in batch} == {(epoch, stage)}


@pytest.mark.parametrize("rank", [0, 1])
def test_an_epoch_goes_on_after_its_first_batches(rank: int) -> None:
    def sampler(epoch: int) -> PeopleSampler:
        of_rank = PeopleSampler([CROWDED, images_of([3, 1, 2])], 3, seed=5, rank=rank, world_size=2)
        of_rank.set_epoch(epoch)
        return of_rank

    whole = [list(sampler(epoch)) for epoch in range(3)]
    resumed = sampler(1)
    resumed.resume(4)
    for _ in range(2):  # a loader begins more than once
        assert list(resumed) == whole[1][4:]
    assert len(resumed) == len(whole[1])
    resumed.set_epoch(2)
    assert list(resumed) == whole[2]


def test_what_decides_the_order_is_told() -> None:
    def told(**changes: Any) -> dict[str, Any]:
        return PeopleSampler(**{"images": [CROWDED], "batch_size": 4, "seed": 1, **changes}).order

    assert told() == told(switch_epoch=3) == json.loads(json.dumps(told()))
    others: list[dict[str, Any]] = [
        {"batch_size": 5},
        {"seed": 2},
        {"world_size": 2},
        {"weights": [0.5]},
        {"group_by_image": False},
        {"max_people_per_image": 3},
        {"images": [CROWDED[1:]]},
    ]
    assert all(told(**changes) != told() for changes in others)
    assert told(rank=0, world_size=2) == told(rank=1, world_size=2)


def test_an_iterator_keeps_its_epoch() -> None:
    sampler = PeopleSampler([CROWDED], 4)
    iterator = iter(sampler)
    sampler.set_epoch(5)
    assert next(iterator)[0].epoch == 0


def test_lightning_finds_the_sampler() -> None:
    sampler = PeopleSampler([CROWDED], 4)
    loader: DataLoader[object] = DataLoader(list(range(9)), batch_sampler=sampler)  # type: ignore[arg-type]
    _set_sampler_epoch(loader, 4)
    assert sampler.epoch == 4


@pytest.mark.parametrize(("batch_size", "cap"), [(0, 4), (4, 0)])
def test_sizes_must_be_positive(batch_size: int, cap: int) -> None:
    with pytest.raises(ElifPoseError, match="must be at least 1"):
        PeopleSampler([CROWDED], batch_size, max_people_per_image=cap)


def test_nobody_is_an_error() -> None:
    with pytest.raises(ElifPoseError, match="nobody"):
        PeopleSampler([images_of([])], 4)


@pytest.mark.parametrize(("people", "world_size"), [(0, 1), (1, 3), (17, 1), (17, 3), (16, 4)])
def test_validation_shows_everyone_once_and_in_order(people: int, world_size: int) -> None:
    samplers = [OrderedSampler(people, 4, rank=rank, world_size=world_size) for rank in range(world_size)]
    batches = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(of_rank) for of_rank in batches]
    seen = [[key.sample for batch in of_rank for key in batch] for of_rank in batches]
    assert len({len(sampler) for sampler in samplers}) == 1
    assert set(itertools.chain(*seen)) == set(range(people))
    assert len(list(itertools.chain(*seen))) - people < 4 * world_size, "only the last batch is repeated"
    assert all(of_rank == sorted(of_rank) for of_rank in seen)
    assert {key[:2] for of_rank in batches for batch in of_rank for key in batch} <= {SampleKey(0, 1, 0)[:2]}
