"""A second, simpler head on an earlier feature map: a help to the backbone while it trains, dropped afterwards."""

from torch import Tensor, nn


class AuxiliaryHeatmap(nn.Module):
    """A 1×1 convolution from a feature map to one coarse heatmap per keypoint.

    A network that starts from random weights stays at the mean pose for long when only the SimCC loss teaches it;
    a loss over the cells of such maps does not let it. No part of the network proper, so inference and checkpoints
    of the network do not know it.

    Args:
        in_channels: Channels of the feature map.
        num_keypoints: Keypoints of the skeleton.
    """

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_keypoints, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits over the cells, ``(N, K, h, w)`` float, of a map ``(N, C, h, w)``."""
        out: Tensor = self.conv(features)
        return out
