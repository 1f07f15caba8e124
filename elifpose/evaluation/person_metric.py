"""What the metrics share: one row of state per person, the same in any number of processes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

_KEYS = ("image_ids", "sample_indices")


def unique_persons(image_ids: Tensor, sample_indices: Tensor) -> Tensor:
    """Where each person occurs first, in the order of image, then sample.

    Args:
        image_ids: ``(N,)`` int64, on the CPU.
        sample_indices: ``(N,)`` int64, on the CPU.

    Returns:
        ``(M,)`` int64 positions, M ≤ N: one per different pair.

    >>> unique_persons(torch.tensor([7, 3, 7, 7]), torch.tensor([1, 2, 0, 1])).tolist()
    [1, 2, 0]
    """
    order = torch.from_numpy(np.lexsort((sample_indices.numpy(), image_ids.numpy())))
    keys = torch.stack((image_ids, sample_indices), dim=1)[order]
    is_new = torch.ones(len(keys), dtype=torch.bool)
    is_new[1:] = (keys[1:] != keys[:-1]).any(dim=1)
    return order[is_new]


class PersonMetric(Metric):
    """A torchmetrics `Metric` that keeps one row per person until it computes.

    A person who was seen twice, as samplers do that pad the last batch of a process, counts once: a person is known
    by image and sample index, and what the network says of him is taken to be the same each time. The rows are sorted
    by these before anything is computed, so that the figures depend neither on the number of processes nor on the
    order of batches. Each state begins with an empty tensor of its rank and type, so that a process that saw nobody
    takes part in the gather like the others. States are kept on the metric's device and not in checkpoints.

    A subclass writes ``update``, which gives a batch's rows to `_append`, and ``compute``, which makes figures of
    everyone in `_persons`.

    Args:
        columns: Shape of one person's row for each state. All are kept as float32; the keys ``image_ids`` and
            ``sample_indices`` (int64) come by themselves.
    """

    is_differentiable = False
    full_state_update = False

    image_ids: list[Tensor]
    sample_indices: list[Tensor]

    def __init__(self, columns: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self._columns = {name: (shape, torch.float32) for name, shape in columns.items()}
        self._columns |= dict.fromkeys(_KEYS, ((), torch.int64))
        for name in self._columns:
            self.add_state(name, [], dist_reduce_fx=None)
        self._seed()

    def reset(self) -> None:
        """Forget everyone."""
        super().reset()
        self._seed()

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[..., Any] | None = None,
    ) -> None:
        """Gather everyone, as torchmetrics does, but one tensor per state: every process calls as many gathers."""
        for name in self._columns:
            setattr(self, name, [torch.cat(getattr(self, name))])
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)

    def _seed(self) -> None:
        for name, (shape, dtype) in self._columns.items():
            getattr(self, name).append(torch.empty((0, *shape), dtype=dtype, device=self.device))

    def _append(self, rows: Mapping[str, Tensor]) -> None:
        """Keep the rows of a batch: one ``(N, *shape)`` tensor per state, of any type and on any device."""
        for name, values in rows.items():
            getattr(self, name).append(values.detach().to(self.device, self._columns[name][1]))

    def _persons(self) -> dict[str, Tensor]:
        """Everyone once, on the CPU, sorted by image and sample: the states as ``(M, *shape)`` tensors."""
        states = {name: torch.cat(getattr(self, name)).cpu() for name in self._columns}
        first = unique_persons(states["image_ids"], states["sample_indices"])
        return {name: values[first] for name, values in states.items()}
