"""CSPNeXt: the backbone of RTMPose and RTMDet (Lyu et al., RTMDet, arXiv 2212.07784)."""

from collections.abc import Sequence
from typing import NamedTuple, final

from torch import Tensor, nn

from elifpose.models.layers import (
    Activation,
    ConvBNAct,
    CSPLayer,
    QuantPoint,
    SPPBottleneck,
    check_activation,
    spatial_conv,
)
from elifpose.utils.checks import check_indices, check_positive


class Stage(NamedTuple):
    """One row of the P5 architecture, before it is scaled."""

    channels: int
    num_blocks: int
    add_identity: bool
    pyramid_pooling: bool


STEM_CHANNELS = 64
STAGES = (  # 1 to 4; 0 is the stem
    Stage(128, 3, add_identity=True, pyramid_pooling=False),
    Stage(256, 6, add_identity=True, pyramid_pooling=False),
    Stage(512, 6, add_identity=True, pyramid_pooling=False),
    Stage(1024, 3, add_identity=False, pyramid_pooling=True),
)


@final
class CSPNeXt(nn.Module):
    """A stem and four stages, each of which halves the map's sides.

    Stage ``i`` has stride ``2^(i + 1)``; stage 0 is the stem. What no chosen stage needs is not built.

    Args:
        deepen_factor: Scales the number of blocks per stage: .167 (t), .33 (s), .67 (m), 1 (l), 1.33 (x).
        widen_factor: Scales the number of channels: .375 (t), .5 (s), .75 (m), 1 (l), 1.25 (x).
        activation: The activation function of every convolution.
        out_stages: Stages whose maps are returned, ascending, from 0 to 4.
        depthwise: Whether 3×3 convolutions after the stem are depthwise-separable, as in RTMDet-nano.
        expand_ratio: Channels of each half of a stage as a share of the stage's channels.
        channel_attention: Whether each stage weighs its channels.

    Raises:
        ElifPoseError: A factor is not positive, a stage does not exist or the activation is unknown.
    """

    def __init__(
        self,
        deepen_factor: float = 0.67,
        widen_factor: float = 0.75,
        activation: Activation = "SiLU",
        out_stages: Sequence[int] = (4,),
        depthwise: bool = False,
        expand_ratio: float = 0.5,
        channel_attention: bool = True,
    ) -> None:
        super().__init__()
        check_positive(
            "CSPNeXt",
            {"deepen_factor": deepen_factor, "widen_factor": widen_factor, "expand_ratio": expand_ratio},
        )
        check_activation("CSPNeXt", activation)
        check_indices("CSPNeXt", "out_stages", out_stages, range(len(STAGES) + 1))
        self.deepen_factor = deepen_factor
        self.widen_factor = widen_factor
        self.activation: Activation = activation
        self.out_stages = tuple(out_stages)
        self.depthwise = depthwise
        self.expand_ratio = expand_ratio
        self.channel_attention = channel_attention

        self.input_point = QuantPoint()
        self.stem = self._build_stem()
        for number in range(1, self.out_stages[-1] + 1):
            self.add_module(f"stage{number}", self._build_stage(number))

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each returned map."""
        return tuple(self._channels(stage) for stage in self.out_stages)

    @property
    def out_strides(self) -> tuple[int, ...]:
        """Input pixels per cell of each returned map."""
        return tuple(2 ** (stage + 1) for stage in self.out_stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of an image.

        Args:
            x: ``(N, 3, H, W)`` float, normalised RGB, sides divisible by the last stride.

        Returns:
            For each of ``out_stages`` a map ``(N, C, H / stride, W / stride)``.
        """
        maps = [self.stem(self.input_point(x))]
        for number in range(1, self.out_stages[-1] + 1):
            maps.append(getattr(self, f"stage{number}")(maps[-1]))
        return tuple(maps[stage] for stage in self.out_stages)

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments, as what JSON can hold."""
        return {
            "deepen_factor": self.deepen_factor,
            "widen_factor": self.widen_factor,
            "activation": self.activation,
            "out_stages": list(self.out_stages),
            "depthwise": self.depthwise,
            "expand_ratio": self.expand_ratio,
            "channel_attention": self.channel_attention,
        }

    def _channels(self, stage: int) -> int:
        """Channels that leave a stage; 0 is the stem."""
        unscaled = STEM_CHANNELS if stage == 0 else STAGES[stage - 1].channels
        return int(unscaled * self.widen_factor)

    def _build_stem(self) -> nn.Sequential:
        """Three 3×3 convolutions, the first of which halves the sides."""
        full = self._channels(0)
        half = full // 2
        return nn.Sequential(
            ConvBNAct(3, half, 3, stride=2, activation=self.activation),
            ConvBNAct(half, half, 3, activation=self.activation),
            ConvBNAct(half, full, 3, activation=self.activation),
        )

    def _build_stage(self, number: int) -> nn.Sequential:
        """A convolution that halves the sides, pyramid pooling in the last stage, a cross-stage-partial layer."""
        stage, before, channels = STAGES[number - 1], self._channels(number - 1), self._channels(number)
        layers: list[nn.Module] = [spatial_conv(before, channels, 3, 2, self.depthwise, self.activation)]
        if stage.pyramid_pooling:
            layers.append(SPPBottleneck(channels, channels, self.activation))
        layers.append(
            CSPLayer(
                channels,
                channels,
                num_blocks=max(round(stage.num_blocks * self.deepen_factor), 1),
                expand_ratio=self.expand_ratio,
                add_identity=stage.add_identity,
                depthwise=self.depthwise,
                channel_attention=self.channel_attention,
                activation=self.activation,
            )
        )
        return nn.Sequential(*layers)
