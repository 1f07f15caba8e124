"""Biases as integer kernels hold them."""

import torch
from torch import Tensor, nn

from elifpose.models import PoseEstimator
from elifpose.quantization.convert import IntegerConv2d, IntegerPoint

_SMALLEST_STEP = torch.finfo(torch.float32).tiny
"""Where map and weight are all zeros, the product of their scales would be 0, and no bias a multiple of it."""


@torch.no_grad()
def round_biases(network: PoseEstimator) -> None:
    """Round the biases of a converted network to what runtimes make of them, in place.

    A runtime adds the bias to a sum of products of integers, so it holds it as an int32 in steps of the input's scale
    times the weight's. That is a hundredth of the output's step or less, but enough to round some outputs to the
    neighbouring code, and layer by layer these differences add up to more than all others.

    Args:
        network: Converted to integers. Convolutions whose input stays float keep their bias.
    """
    images = torch.zeros(1, 3, *reversed(network.head.input_size))
    points: dict[int, tuple[Tensor, float]] = {}  # by the identity of what they gave, which stays alive in here

    def keep(point: nn.Module, _inputs: object, output: Tensor) -> None:
        if isinstance(point, IntegerPoint):
            points[id(output)] = (output, point.scale)

    def round_bias(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(conv, IntegerConv2d) and conv.bias is not None and id(inputs[0]) in points:
            step = (points[id(inputs[0])][1] * conv.scales).clamp(min=_SMALLEST_STEP)
            conv.bias.copy_((conv.bias / step).round() * step)

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    hooks += [module.register_forward_pre_hook(round_bias) for module in network.modules()]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
