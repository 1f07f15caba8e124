"""RTMPose of any size, told by the names and shapes of its weights: for files that do not say how they are built."""

import re
from collections.abc import Mapping, Sequence

from elifpose.models.backbones.cspnext import STAGES, STEM_CHANNELS, CSPNeXt
from elifpose.models.heads.rtmcc import RTMCCHead
from elifpose.models.pose_estimator import PoseEstimator
from elifpose.utils.errors import ElifPoseError

SPLIT_RATIO = 2.0
"""Bins per input pixel of every published RTMPose network; shapes give their product with the input size alone."""

_BLOCK = re.compile(r"backbone\.stage(\d)\.\d\.blocks\.\d+")

Shapes = Mapping[str, Sequence[int]]
"""A state dict's names and shapes."""


def network_of_shapes(shapes: Shapes) -> PoseEstimator:
    """Build the RTMPose network, with fresh weights, whose weights have these names and shapes.

    What shapes cannot tell is taken as published: SiLU, two bins per pixel, and the default mean and std. Whether
    every name and shape is then met is left to whoever fills the network.

    Args:
        shapes: Names as they are inside `PoseEstimator`.

    Raises:
        ElifPoseError: They are of no such network, or of one with a neck.
    """
    if any(name.startswith("neck.") for name in shapes):
        raise ElifPoseError("it has a neck, which RTMPose has not")
    try:
        backbone = _backbone(shapes)
        return PoseEstimator(backbone, _head(shapes, backbone.out_strides[-1]))
    except KeyError as missing:
        raise ElifPoseError(f"it has no {missing.args[0]}") from missing
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise ElifPoseError(f"its weights have shapes of another kind ({error})") from error


def _backbone(shapes: Shapes) -> CSPNeXt:
    """Factors from the stem's channels and the stages' blocks; a stage has one block at least."""
    blocks = {match[0]: int(match[1]) for match in map(_BLOCK.match, shapes) if match}
    stages = range(1, max(blocks.values(), default=1) + 1)
    return CSPNeXt(
        deepen_factor=len(blocks) / sum(STAGES[stage - 1].num_blocks for stage in stages),
        widen_factor=shapes["backbone.stem.2.conv.weight"][0] / STEM_CHANNELS,
        out_stages=(stages[-1],),
        depthwise="backbone.stage1.0.depthwise_conv.conv.weight" in shapes,
        expand_ratio=shapes["backbone.stage1.1.main_conv.conv.weight"][0]
        / shapes["backbone.stage1.1.final_conv.conv.weight"][0],
        channel_attention=any(".attention." in name for name in shapes),
    )


def _head(shapes: Shapes, stride: int) -> RTMCCHead:
    """Sizes of the head from its layers."""
    num_keypoints, in_channels, kernel_size, _ = shapes["head.final_layer.weight"]
    hidden_dims, _ = shapes["head.mlp.1.weight"]
    _, expanded = shapes["head.gau.o.weight"]
    return RTMCCHead(
        in_channels,
        num_keypoints,
        input_size=(_pixels(shapes, "head.cls_x.weight"), _pixels(shapes, "head.cls_y.weight")),
        split_ratio=SPLIT_RATIO,
        stride=stride,
        kernel_size=kernel_size,
        hidden_dims=hidden_dims,
        attention_dims=shapes["head.gau.gamma"][1],
        expansion=expanded // hidden_dims,
    )


def _pixels(shapes: Shapes, name: str) -> int:
    """Side of the input, from a classifier's number of bins."""
    return round(shapes[name][0] / SPLIT_RATIO)
