"""The building blocks of CSPNeXt, from a single convolution to a cross-stage-partial layer.

The names of submodules are those of the published RTMPose and RTMDet weights and must not change. Feature maps are
``(N, C, H, W)`` float. Activation functions work out of place: an in-place SiLU keeps a copy of its input for the
backward pass, so it saves nothing. A :class:`QuantPoint` marks each result that a quantized network holds in few
bits: after every activation, sum, product, concatenation, mean and norm.

Convolutions start as PyTorch has them, uniform Kaiming with a = √5, which is also what the published recipe uses.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from elifpose.utils.errors import ElifPoseError

Activation = Literal["SiLU", "ReLU", "Hardswish"]
"""Name of an activation function; ReLU and Hardswish are the ones that quantize well on phones."""

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"SiLU": nn.SiLU, "ReLU": nn.ReLU, "Hardswish": nn.Hardswish}
"""The module behind each name."""


class QuantPoint(nn.Identity):
    """Marks a tensor that a quantized network holds in few bits; in a float network it does nothing.

    It has no weights, so that names in checkpoints do not depend on it. A layer calls each of its points exactly
    once. A point named ``<layer>_point`` belongs to the linear layer or convolution of that name beside it, or to
    the last one in a sequence of that name.
    """


def point_before(activation: Activation) -> nn.Identity:
    """What stands between a convolution or linear layer and its activation: a point, but nothing before ReLU.

    ReLU is part of the integer layer before it: what it cuts off, an unsigned 8-bit number cannot hold. Before any
    other activation the result is a point of its own, as integer layers end in integers.
    """
    return nn.Identity() if activation == "ReLU" else QuantPoint()


class ConvBNAct(nn.Module):
    """Convolution without bias, batch normalisation, activation; padded so that stride 1 keeps the map's size.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Odd side of the kernel.
        stride: Step of the kernel; the output's size is the input's divided by it, rounded up.
        groups: Groups of channels that do not see each other; ``in_channels`` makes it depthwise.
        activation: The activation function.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.activate = ACTIVATIONS[activation]()
        self.inner_point = point_before(activation)
        self.point = QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)``."""
        out: Tensor = self.point(self.activate(self.inner_point(self.bn(self.conv(x)))))
        return out


class DepthwiseSeparableConv(nn.Module):
    """A depthwise convolution in space, then a 1×1 convolution over channels, each with its own norm and activation.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Odd side of the depthwise kernel.
        stride: Step of the depthwise kernel.
        activation: The activation function of both.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        self.depthwise_conv = ConvBNAct(
            in_channels, in_channels, kernel_size, stride, groups=in_channels, activation=activation
        )
        self.pointwise_conv = ConvBNAct(in_channels, out_channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)``."""
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


def spatial_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    depthwise: bool = False,
    activation: Activation = "SiLU",
) -> ConvBNAct | DepthwiseSeparableConv:
    """A full convolution with norm and activation, or its depthwise-separable stand-in of fewer operations."""
    if depthwise:
        return DepthwiseSeparableConv(in_channels, out_channels, kernel_size, stride, activation)
    return ConvBNAct(in_channels, out_channels, kernel_size, stride, activation=activation)


class ChannelAttention(nn.Module):
    """Weigh each channel by a gate in [0, 1] that is computed from all channels' spatial means.

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pool_point = QuantPoint()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.fc_point = QuantPoint()
        self.gate = nn.Hardsigmoid()
        self.gate_point = QuantPoint()
        self.point = QuantPoint()
        nn.init.zeros_(self.fc.bias)  # type: ignore[arg-type]  # a convolution's bias is typed as optional

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``(N, C, H, W)`` channel by channel."""
        means = self.pool_point(self.pool(x))
        gate = self.gate_point(self.gate(self.fc_point(self.fc(means))))
        out: Tensor = self.point(x * gate)
        return out


class SPPBottleneck(nn.Module):
    """Spatial pyramid pooling: the map and its maxima over 5×5, 9×9 and 13×13 windows, mixed by a 1×1 convolution.

    The wider windows are taken by repeating the 5×5 one, which gives the same maxima at less cost.

    Args:
        in_channels: Channels of the input map; half of them are pooled.
        out_channels: Channels of the output map.
        activation: The activation function.
    """

    def __init__(self, in_channels: int, out_channels: int, activation: Activation = "SiLU") -> None:
        super().__init__()
        pooled = in_channels // 2
        self.conv1 = ConvBNAct(in_channels, pooled, activation=activation)
        self.pool = nn.MaxPool2d(kernel_size=5, stride=1, padding=2)
        self.pyramid_point = QuantPoint()
        self.conv2 = ConvBNAct(4 * pooled, out_channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        x = self.conv1(x)
        window5 = self.pool(x)
        window9 = self.pool(window5)
        window13 = self.pool(window9)
        pyramid = self.pyramid_point(torch.cat((x, window5, window9, window13), dim=1))
        out: Tensor = self.conv2(pyramid)
        return out


class CSPNeXtBlock(nn.Module):
    """A 3×3 convolution and a depthwise-separable 5×5 one, with the input added if asked.

    Args:
        channels: Channels of the map.
        add_identity: Whether the input is added to the result.
        depthwise: Whether the 3×3 convolution is depthwise-separable too.
        activation: The activation function.
    """

    def __init__(
        self,
        channels: int,
        add_identity: bool = True,
        depthwise: bool = False,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        self.conv1 = spatial_conv(channels, channels, 3, depthwise=depthwise, activation=activation)
        self.conv2 = DepthwiseSeparableConv(channels, channels, 5, activation=activation)
        self.add_identity = add_identity
        if add_identity:
            self.sum_point = QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, channels, H, W)`` to the same shape."""
        out: Tensor = self.conv2(self.conv1(x))
        if self.add_identity:
            out = self.sum_point(out + x)
        return out


class CSPLayer(nn.Module):
    """Cross-stage-partial layer: one half of the channels runs through the blocks, the other goes around them.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        num_blocks: Number of blocks in the first half.
        expand_ratio: Channels of each half as a share of ``out_channels``.
        add_identity: Whether each block adds its input.
        depthwise: Whether the blocks' 3×3 convolutions are depthwise-separable.
        channel_attention: Whether the joined halves are weighed by :class:`ChannelAttention`.
        activation: The activation function.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int = 1,
        expand_ratio: float = 0.5,
        add_identity: bool = True,
        depthwise: bool = False,
        channel_attention: bool = False,
        activation: Activation = "SiLU",
    ) -> None:
        super().__init__()
        half = int(out_channels * expand_ratio)
        self.main_conv = ConvBNAct(in_channels, half, activation=activation)
        self.short_conv = ConvBNAct(in_channels, half, activation=activation)
        self.final_conv = ConvBNAct(2 * half, out_channels, activation=activation)
        self.blocks = nn.Sequential(
            *(CSPNeXtBlock(half, add_identity, depthwise, activation) for _ in range(num_blocks))
        )
        self.joined_point = QuantPoint()
        self.attention = ChannelAttention(2 * half) if channel_attention else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        main = self.blocks(self.main_conv(x))
        short = self.short_conv(x)
        joined = self.joined_point(torch.cat((main, short), dim=1))
        if self.attention is not None:
            joined = self.attention(joined)
        out: Tensor = self.final_conv(joined)
        return out


def check_activation(owner: str, activation: str) -> None:
    """Raise :class:`ElifPoseError` unless ``activation`` is a name in :data:`ACTIVATIONS`."""
    if activation not in ACTIVATIONS:
        raise ElifPoseError(f"{owner}: activation is {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
