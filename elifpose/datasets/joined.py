"""Several data sets, numbered one after the other."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import final

from torch.utils.data import Dataset

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.sampler import SampleKey
from elifpose.structures import PoseSample


@final
class JoinedDataset(Dataset[PoseSample]):
    """The samples of all data sets; asks each for its part of a batch at once, so that images are decoded once.

    Args:
        sets: The data sets, in the order of their numbers.
    """

    def __init__(self, sets: Sequence[PoseDataset]) -> None:
        self.sets = list(sets)
        self._starts = [0, *accumulate(map(len, sets))]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, item: SampleKey) -> PoseSample:
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[SampleKey]) -> list[PoseSample]:
        """Several samples, in the order asked for."""
        owners = [bisect_right(self._starts, item.sample) - 1 for item in items]
        samples: dict[int, PoseSample] = {}
        for owner in sorted(set(owners)):
            asked = [position for position, of in enumerate(owners) if of == owner]
            start = self._starts[owner]
            keys = [items[position]._replace(sample=items[position].sample - start) for position in asked]
            samples.update(zip(asked, self.sets[owner].__getitems__(keys), strict=True))
        return [samples[position] for position in range(len(items))]
