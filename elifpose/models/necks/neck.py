"""What a neck is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Neck(nn.Module, ABC):
    """Feature maps of a backbone in, feature maps out, of which the last feeds the head.

    `CSPNeXtPAFPN` is ElifPose's own. A neck of a user's own is a subclass: a checkpoint remembers its class by name
    but never imports it, so such a network is built in Python or from its configuration and filled by
    ``load_checkpoint``.
    """

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps ``(N, C, h, w)`` float from maps of the backbone's stages, finest first."""
