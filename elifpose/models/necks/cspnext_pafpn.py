"""CSPNeXtPAFPN: a path-aggregation feature pyramid of CSP layers (RTMDet, arXiv 2212.07784; PANet, 1803.01534)."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from elifpose.models.layers import (
    Activation,
    ConvBNAct,
    CSPLayer,
    QuantPoint,
    check_activation,
    spatial_conv,
)
from elifpose.models.necks.neck import Neck
from elifpose.utils.checks import check_indices, check_positive
from elifpose.utils.errors import ElifPoseError


@final
class CSPNeXtPAFPN(Neck):
    """Mix maps of several strides, from the coarsest to the finest and back.

    Levels are counted from the finest (0). What no chosen level needs is not built, so that every parameter gets a
    gradient.

    Args:
        in_channels: Channels of each input map, finest first; at least two.
        out_channels: Channels that every map leaves with, by a 3×3 convolution; none leaves them as they came.
        out_indices: Levels whose maps are returned, ascending; none returns all. The last feeds the head.
        num_csp_blocks: Blocks per CSP layer.
        expand_ratio: Channels of each half of a CSP layer as a share of its output's.
        depthwise: Whether 3×3 convolutions are depthwise-separable.
        activation: The activation function of every convolution.

    Raises:
        ElifPoseError: Fewer than two input maps, a level does not exist, or a number is not positive.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int | None = None,
        out_indices: Sequence[int] | None = None,
        num_csp_blocks: int = 1,
        expand_ratio: float = 0.5,
        depthwise: bool = False,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        if len(in_channels) < 2:
            raise ElifPoseError(f"CSPNeXtPAFPN: in_channels is {list(in_channels)}; a pyramid needs two maps or more")
        levels = range(len(in_channels))
        chosen = tuple(levels) if out_indices is None else tuple(out_indices)
        check_indices("CSPNeXtPAFPN", "out_indices", chosen, levels)
        check_positive("CSPNeXtPAFPN", {"num_csp_blocks": num_csp_blocks, "expand_ratio": expand_ratio})
        check_activation("CSPNeXtPAFPN", activation)
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.out_indices = chosen
        self.num_csp_blocks = num_csp_blocks
        self.expand_ratio = expand_ratio
        self.depthwise = depthwise
        self.activation: Activation = activation
        self._build()

    @property
    def map_channels(self) -> tuple[int, ...]:
        """Channels of each returned map."""
        return tuple(
            self.in_channels[level] if self.out_channels is None else self.out_channels for level in self.out_indices
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Mixed maps.

        Args:
            features: For each level ``(N, C, H, W)`` float, each map with half the sides of the one before.

        Returns:
            For each of ``out_indices`` a map of the size of its input.
        """
        maps = self._bottom_up(self._top_down(features))
        if self.out_channels is None:
            return tuple(maps[level] for level in self.out_indices)
        return tuple(self.out_convs[str(level)](maps[level]) for level in self.out_indices)

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments, as what JSON can hold."""
        return {
            "in_channels": list(self.in_channels),
            "out_channels": self.out_channels,
            "out_indices": list(self.out_indices),
            "num_csp_blocks": self.num_csp_blocks,
            "expand_ratio": self.expand_ratio,
            "depthwise": self.depthwise,
            "activation": self.activation,
        }

    def _build(self) -> None:
        """Make the layers: per level those of the way down (coarsest first), of the way up, and of the exit."""
        channels = self.in_channels
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.reduce_layers = nn.ModuleList()
        self.top_down_points = nn.ModuleList()
        self.top_down_blocks = nn.ModuleList()
        for level in range(len(channels) - 2, -1, -1):
            self.reduce_layers.append(ConvBNAct(channels[level + 1], channels[level], activation=self.activation))
            self.top_down_points.append(QuantPoint())
            self.top_down_blocks.append(self._csp_layer(2 * channels[level], channels[level]))

        self.downsamples = nn.ModuleList()
        self.bottom_up_points = nn.ModuleList()
        self.bottom_up_blocks = nn.ModuleList()
        for level in range(self.out_indices[-1]):
            self.downsamples.append(self._conv(channels[level], channels[level], stride=2))
            self.bottom_up_points.append(QuantPoint())
            self.bottom_up_blocks.append(self._csp_layer(2 * channels[level], channels[level + 1]))

        if self.out_channels is not None:
            self.out_convs = nn.ModuleDict(
                {str(level): self._conv(channels[level], self.out_channels) for level in self.out_indices}
            )

    def _conv(self, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        return spatial_conv(in_channels, out_channels, 3, stride, self.depthwise, self.activation)

    def _csp_layer(self, in_channels: int, out_channels: int) -> CSPLayer:
        return CSPLayer(
            in_channels,
            out_channels,
            self.num_csp_blocks,
            self.expand_ratio,
            add_identity=False,
            depthwise=self.depthwise,
            activation=self.activation,
        )

    def _top_down(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Carry the coarse maps' content to the finer ones; a coarse map leaves with the next finer's channels."""
        carried = features[-1]
        mixed: list[Tensor] = []
        for fine, reduce, point, block in zip(
            reversed(features[:-1]), self.reduce_layers, self.top_down_points, self.top_down_blocks, strict=True
        ):
            reduced = reduce(carried)
            mixed.insert(0, reduced)
            enlarged = self.upsample(reduced)
            joined = point(torch.cat((enlarged, fine), dim=1))
            carried = block(joined)
        return [carried, *mixed]

    def _bottom_up(self, mixed: Sequence[Tensor]) -> list[Tensor]:
        """Carry the fine maps' content back to the coarser ones, as far as a chosen level needs it."""
        maps = [mixed[0]]
        for coarse, downsample, point, block in zip(
            mixed[1:], self.downsamples, self.bottom_up_points, self.bottom_up_blocks, strict=False
        ):
            reduced = downsample(maps[-1])
            joined = point(torch.cat((reduced, coarse), dim=1))
            maps.append(block(joined))
        return maps
