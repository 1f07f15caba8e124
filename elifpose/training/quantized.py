"""How far the quantization of a network in training is: in the fit, over its processes, and in its checkpoints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elifpose.models import PoseEstimator
from elifpose.models.checkpoint import LoadReport, Scope, fill_network
from elifpose.models.checkpoint_files import read_checkpoint
from elifpose.quantization import (
    QuantizationSpec,
    freeze_batch_norm,
    is_prepared,
    prepare,
    quantization_spec,
    quantizers,
    set_observing,
    unprepare,
)
from elifpose.quantization.checkpoint import QUANTIZATION

_AT_START = {"observing": True, "norms_frozen": False, "learning_rate_scale": 1.0}


class Quantization:
    """The state of a network's quantization: what it needs in each step, and what its checkpoints say of it.

    Args:
        network: Float or prepared.

    Attributes:
        observing: Whether ranges follow the batches of training.
        norms_frozen: Whether norms keep their statistics in training.
        learning_rate_scale: By what learning rates are multiplied since the network is quantized.
    """

    def __init__(self, network: PoseEstimator) -> None:
        self._network = network
        self.observing = True
        self.norms_frozen = False
        self.learning_rate_scale = 1.0

    @property
    def spec(self) -> QuantizationSpec | None:
        """What is quantized, and how; None in a float network."""
        return quantization_spec(self._network)

    def record(self) -> dict[str, Any] | None:
        """What :meth:`restore` needs, as what JSON can hold; None for a float network."""
        if self.spec is None:
            return None
        return {
            "spec": self.spec.arguments(),
            "observing": self.observing,
            "norms_frozen": self.norms_frozen,
            "learning_rate_scale": self.learning_rate_scale,
        }

    def restore(self, record: Mapping[str, Any] | None) -> None:
        """Make the network as a record says: prepared alike, or float. Ranges are loaded after it."""
        record = {"spec": None, **_AT_START} if record is None else record
        spec = None if record["spec"] is None else QuantizationSpec(**record["spec"])
        if self.spec not in (None, spec):
            unprepare(self._network)
        if spec is not None and self.spec is None:
            prepare(self._network, spec)
        self.learning_rate_scale = record["learning_rate_scale"]
        self.enter(record["observing"], record["norms_frozen"])

    def load_weights(self, path: str | Path, scope: Scope) -> LoadReport:
        """Fill the network with a file's weights, as :func:`elifpose.models.load_checkpoint` does.

        Weights of a quantized network come with its quantization in the scope ``all``, and without in the others.

        Args:
            path: See :func:`elifpose.models.load_checkpoint`.
            scope: Which weights.

        Raises:
            ElifPoseError: As that function.
        """
        checkpoint = read_checkpoint(path)
        record = (checkpoint.record or {}).get(QUANTIZATION)
        if record is None or scope == "matching":
            return fill_network(self._network, checkpoint.state_dict, path, scope)
        before = self.record()
        self.restore({"spec": record["spec"], **_AT_START})
        report = fill_network(self._network, checkpoint.state_dict, path, scope)
        if scope == "backbone":
            self.restore(before)
        return report

    def enter(self, observing: bool, norms_frozen: bool) -> None:
        """Begin a part of the quantized training."""
        self.observing, self.norms_frozen = observing, norms_frozen
        set_observing(self._network, observing)

    def learned_steps(self) -> list[nn.Parameter]:
        """The parameters that the network has beyond those of the float one."""
        return [parameter for _, of_point in quantizers(self._network) for parameter in of_point.parameters()]

    def start_batch(self) -> None:
        """Hold norms fixed if it is time: Lightning puts everything in training mode again and again."""
        if self.norms_frozen and is_prepared(self._network):
            freeze_batch_norm(self._network)

    def share_ranges(self) -> None:
        """Give all processes the mean of what they observed; to be called after each batch's forward pass."""
        if self.observing and is_prepared(self._network):
            average_over_processes([end for _, of_point in quantizers(self._network) for end in _ends(of_point)])

    def share_gradients(self) -> None:
        """Average the learned steps' gradients: data parallelism knows no parameters that came after its start."""
        average_over_processes([p.grad for p in self.learned_steps() if p.grad is not None])

    def share_all(self) -> None:
        """Give all processes the first one's ranges and learned steps, bit for bit."""
        if _processes() > 1:
            for _, of_point in quantizers(self._network):
                for value in of_point.state_dict().values():
                    torch.distributed.broadcast(value, src=0)


@torch.no_grad()
def copy_ranges(source: nn.Module, target: nn.Module, learned_steps: bool = False) -> None:
    """Copy the ranges, and on demand the learned steps, of a prepared network to another that was prepared alike."""
    pairs = [
        (into, value)
        for (_, theirs), (_, own) in zip(quantizers(target), quantizers(source), strict=True)
        for into, value in zip(_values(theirs, learned_steps), _values(own, learned_steps), strict=True)
    ]
    if pairs:
        torch._foreach_copy_([into for into, _ in pairs], [value for _, value in pairs])


@torch.no_grad()
def average_over_processes(values: Sequence[Tensor]) -> None:
    """Replace floating-point tensors by their means over all processes, in place; each process must call it."""
    if not values or _processes() == 1:
        return
    flat = torch.cat([value.flatten() for value in values])
    torch.distributed.all_reduce(flat)
    means = torch.split(flat / _processes(), [value.numel() for value in values])
    for value, mean in zip(values, means, strict=True):
        value.copy_(mean.view_as(value))


def _values(of_point: nn.Module, learned_steps: bool) -> list[Tensor]:
    return [*of_point.buffers(), *(of_point.parameters() if learned_steps else ())]


def _ends(of_point: nn.Module) -> list[Tensor]:
    """Lower and upper end of a range."""
    return [value for value in of_point.buffers() if value.is_floating_point()]


def _processes() -> int:
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
