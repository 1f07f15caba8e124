from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from elifpose.cli import build
from elifpose.export.people import _shares, people_of, rendered_people
from elifpose.utils.errors import ElifPoseError

Options = Callable[[Path, Path], list[str]]


def test_rendered_people_are_the_same_each_time_and_fill_their_crops() -> None:
    batches = list(rendered_people(33, (48, 64)))
    assert [len(batch) for batch in batches] == [32, 1]
    crops = torch.cat(batches)
    assert (crops.shape, crops.dtype) == ((33, 3, 64, 48), torch.uint8)
    assert torch.equal(crops[:5], torch.cat(list(rendered_people(5, (48, 64)))))
    assert len({crop.numpy().tobytes() for crop in crops}) == 33
    assert all(crop.float().std() > 10 for crop in crops)


def test_people_of_a_configuration_are_spread_over_its_sets(options: Options, rendered: Path, tmp_path: Path) -> None:
    def crops(training: bool, count: int) -> torch.Tensor:
        _, data = build(options(rendered, tmp_path))
        return torch.cat(list(people_of(data, count, training)))

    everybody = crops(training=False, count=1000)
    people = len(everybody)
    assert (everybody.shape[1:], everybody.dtype) == ((3, 128, 96), torch.uint8)
    assert torch.equal(crops(training=False, count=2), everybody[[0, people - 1]])
    # Training sets are cut as evaluation cuts them: without chance.
    assert torch.equal(crops(training=True, count=3), crops(training=True, count=3))
    with pytest.raises(ElifPoseError, match="at least 1, not 0"):
        crops(training=False, count=0)


def test_sets_have_shares_by_size_and_one_person_at_least() -> None:
    assert _shares([900, 100], 50) == [45, 5]
    assert _shares([1000, 10], 50) == [50, 1]
    assert _shares([3, 4], 100) == [3, 4]
