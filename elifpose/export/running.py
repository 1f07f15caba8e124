"""One way to call a network and the files that were made of it, so that they can be compared."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.models import PoseEstimator


class Answer(NamedTuple):
    """What is said of ``N`` crops."""

    keypoints_input: Tensor
    """``(N, K, 2)`` float32, input pixels."""
    scores: Tensor
    """``(N, K)`` float32: raw, or calibrated where the file does that inside."""
    simcc: tuple[Tensor, Tensor] | None
    """Logits along x and y ``(N, K, bins)``, float32; None where a file gives keypoints only."""


class Runner(Protocol):
    """A network, or an exported file that is run."""

    def __call__(self, images: Tensor) -> Answer:
        """Answer for crops ``(N, 3, H, W)`` uint8 RGB; the input's form that a file wants is made of them."""


class NetworkRunner:
    """A network in PyTorch.

    Args:
        network: In evaluation mode; float, prepared or converted to integers.
        codec: How its bins become keypoints.
    """

    def __init__(self, network: PoseEstimator, codec: SimCC) -> None:
        self._network = network
        self._codec = codec

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Answer:
        """Answer for crops ``(N, 3, H, W)`` uint8 RGB."""
        simcc = self._network(images)
        return Answer(*self._codec.decode(*simcc), simcc)
