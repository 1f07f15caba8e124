import collections
import datetime
import enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elifpose.models.checkpoint_files import read_checkpoint
from elifpose.models.foreign_classes import Inert, InertDict, InertList, stand_ins

WEIGHTS = {"backbone.stem.0.conv.weight": torch.ones(2, 3)}


class Config(dict[str, Any]):
    """A dict with attributes of its own, as configurations of other frameworks are."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.source = Path("a.py")


class Steps(list[int]):
    """A list of another class."""


class History:
    """Keeps values of another framework's training loop, and a function beside them."""

    def __init__(self) -> None:
        self.values = np.ones(3)
        self.last = collections.deque([1.0])
        self.function = self.mean

    def mean(self) -> float:
        return float(self.values.mean())


class Level(enum.Enum):
    INFO = 1


FOREIGN: list[Any] = [
    Config(model=Config(depth=3), steps=[1]),
    Steps([1, 2, 3]),
    History(),
    [History(), {"a": Config(), "b": (Steps(), Level.INFO)}],
    np.arange(4.0),
    np.float64(3),
    np.array([None, {}], dtype=object),
    datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    collections.defaultdict(list, {1: [2]}),
    collections.OrderedDict(a=Config()),
    {1, 2},
    slice(1, 2),
    Path("a"),
]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda value: type(value).__name__)
def test_weights_are_read_beside_foreign_objects(foreign: Any, zipped: bool, tmp_path: Path) -> None:
    content = {"meta": foreign, "state_dict": WEIGHTS, "epoch": 3}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    assert torch.equal(*(each["backbone.stem.0.conv.weight"] for each in (checkpoint.state_dict, WEIGHTS)))
    assert checkpoint.fit == {"epoch": 3}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_of_a_foreign_class_is_read(zipped: bool, tmp_path: Path) -> None:
    torch.save({"state_dict": Config(**WEIGHTS)}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert read_checkpoint(tmp_path / "a.pth").state_dict.keys() == WEIGHTS.keys()


@pytest.mark.parametrize("zipped", [True, False])
def test_each_class_gets_what_it_is_filled_as(zipped: bool, tmp_path: Path) -> None:
    content = [History(), Config(a=1), Steps([1]), Steps(), Level.INFO, {"a": [1]}]
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = {name.rpartition(".")[2]: stand_in for stand_in, name in stand_ins(tmp_path / "a.pth")}
    classes = {"History": Inert, "Config": InertDict, "Steps": InertList, "Level": Inert, "deque": InertList}
    assert {name: found[name] for name in classes} == classes
    assert found.keys() - classes.keys() <= {"getattr", "_reconstruct", "ndarray", "dtype", "encode", "PosixPath"}
