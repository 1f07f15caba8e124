from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elifpose.datasets.joined import JoinedDataset
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import SampleKey
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]


@pytest.fixture
def joined(make_set: MakeSet, person: Person) -> JoinedDataset:
    make_set("a", [person(i, 1 + i % 2) for i in range(3)])
    root = make_set("b", [person(i, 2) for i in range(2)])
    skeleton = get_skeleton("coco17")
    return JoinedDataset(
        [
            PoseDataset(
                name, PoseSet(f"{name}.json", name), root, skeleton, (24, 32), GeometricTransform(), False, index
            )
            for index, name in enumerate("ab")
        ]
    )


def test_people_are_numbered_one_set_after_the_other(joined: JoinedDataset) -> None:
    assert len(joined) == 5
    asked = [SampleKey(0, 1, i) for i in (4, 0, 3, 2, 1)]
    found = [(sample.dataset_index, sample.sample_index) for sample in joined.__getitems__(asked)]
    assert found == [(1, 1), (0, 0), (1, 0), (0, 2), (0, 1)]
    assert joined[SampleKey(0, 1, 3)].dataset_index == 1


def test_each_set_is_asked_once(joined: JoinedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    get = PoseDataset.__getitems__

    def counting(data: PoseDataset, items: list[SampleKey]) -> Any:
        asked.append(len(items))
        return get(data, items)

    monkeypatch.setattr(PoseDataset, "__getitems__", counting)
    joined.__getitems__([SampleKey(0, 1, i) for i in (4, 0, 3, 2, 1)])
    assert asked == [3, 2]
