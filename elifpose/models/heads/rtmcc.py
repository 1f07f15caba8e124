"""The head of RTMPose: one token per keypoint, classified into SimCC bins (Jiang et al., arXiv 2303.07399)."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from elifpose.models.heads.gau import GatedAttentionUnit, ScaleNorm
from elifpose.models.layers import Activation, QuantPoint, check_activation
from elifpose.utils.checks import check_positive
from elifpose.utils.errors import ElifPoseError


@final
class RTMCCHead(nn.Module):
    """A convolution to one map per keypoint, a gated attention unit over keypoints, one classifier per axis.

    Weights start as the published recipe has them: normal with σ .001 (convolution) and .01 (linear layers), biases
    0, the attention's scales and offsets uniform in [0, 1), all other scales 1.

    Args:
        in_channels: Channels of the last feature map.
        num_keypoints: Keypoints of the skeleton.
        input_size: Width and height of the network's input, pixels; multiples of ``stride``.
        split_ratio: SimCC bins per input pixel, at least 1.
        stride: Input pixels per cell of the last feature map.
        kernel_size: Odd side of the first convolution's kernel.
        hidden_dims: Length of a keypoint's token.
        attention_dims: Length of the attention's queries and keys.
        expansion: Length of the attention's gate and values in units of ``hidden_dims``.
        activation: The activation function of the attention.

    Raises:
        ElifPoseError: An argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        input_size: tuple[int, int],
        split_ratio: float = 2.0,
        stride: int = 32,
        kernel_size: int = 7,
        hidden_dims: int = 256,
        attention_dims: int = 128,
        expansion: int = 2,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        check_positive(
            "RTMCCHead",
            {
                "in_channels": in_channels,
                "num_keypoints": num_keypoints,
                "stride": stride,
                "hidden_dims": hidden_dims,
                "attention_dims": attention_dims,
                "expansion": expansion,
            },
        )
        check_activation("RTMCCHead", activation)
        _check_geometry(input_size, split_ratio, stride, kernel_size)
        self.in_channels = in_channels
        self.num_keypoints = num_keypoints
        self.input_size = (input_size[0], input_size[1])
        self.split_ratio = split_ratio
        self.stride = stride
        self.kernel_size = kernel_size
        self.hidden_dims = hidden_dims
        self.attention_dims = attention_dims
        self.expansion = expansion
        self.activation: Activation = activation

        cells = (input_size[0] // stride) * (input_size[1] // stride)
        x_bins, y_bins = self.bins
        self.final_layer = nn.Conv2d(in_channels, num_keypoints, kernel_size, padding=kernel_size // 2)
        self.final_layer_point = QuantPoint()
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, hidden_dims, bias=False))
        self.mlp_point = QuantPoint()
        self.gau = GatedAttentionUnit(hidden_dims, attention_dims, expansion, activation)
        self.cls_x = nn.Linear(hidden_dims, x_bins, bias=False)
        self.cls_y = nn.Linear(hidden_dims, y_bins, bias=False)
        self._initialise()

    @property
    def bins(self) -> tuple[int, int]:
        """Number of bins along x and along y."""
        return round(self.input_size[0] * self.split_ratio), round(self.input_size[1] * self.split_ratio)

    def heatmaps(self, features: Sequence[Tensor]) -> Tensor:
        """One map per keypoint, ``(N, K, h, w)`` float, from the last of the feature maps ``(N, C, h, w)``."""
        out: Tensor = self.final_layer_point(self.final_layer(features[-1]))
        return out

    def classify(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """SimCC logits of the keypoints' maps.

        The two classifiers run in the weights' own precision under autocast too: a logit of 8 significant bits
        makes neighbouring bins equal, which moves the maximum.

        Args:
            heatmaps: ``(N, K, h, w)`` float.

        Returns:
            Logits along x ``(N, K, x_bins)`` and along y ``(N, K, y_bins)``, float.
        """
        cells = heatmaps.flatten(2)  # (N, K, h · w)
        tokens = self.mlp_point(self.mlp(cells))  # (N, K, hidden_dims)
        tokens = self.gau(tokens)
        device = tokens.device.type
        if not torch.is_autocast_enabled(device):
            return self.cls_x(tokens), self.cls_y(tokens)
        with torch.autocast(device, enabled=False):
            tokens = tokens.to(self.cls_x.weight.dtype)
            return self.cls_x(tokens), self.cls_y(tokens)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits along x ``(N, K, x_bins)`` and y ``(N, K, y_bins)`` from the last feature map ``(N, C, h, w)``."""
        return self.classify(self.heatmaps(features))

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments, as what JSON can hold."""
        return {
            "in_channels": self.in_channels,
            "num_keypoints": self.num_keypoints,
            "input_size": list(self.input_size),
            "split_ratio": self.split_ratio,
            "stride": self.stride,
            "kernel_size": self.kernel_size,
            "hidden_dims": self.hidden_dims,
            "attention_dims": self.attention_dims,
            "expansion": self.expansion,
            "activation": self.activation,
        }

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]  # a convolution's bias is typed as optional


def _check_geometry(input_size: tuple[int, int], split_ratio: float, stride: int, kernel_size: int) -> None:
    """Raise :class:`ElifPoseError` where sizes do not make a grid of cells and bins."""
    if len(input_size) != 2 or any(side <= 0 or side % stride for side in input_size):
        raise ElifPoseError(
            f"RTMCCHead: input_size is {list(input_size)}; give width and height, both multiples of {stride}"
        )
    if not 1 <= split_ratio < math.inf:
        raise ElifPoseError(f"RTMCCHead: split_ratio is {split_ratio}; give 1 or more bins per pixel")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ElifPoseError(f"RTMCCHead: kernel_size is {kernel_size}; give an odd number")
