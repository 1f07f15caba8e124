"""What leaves the house: a network with the input and the outputs that a contract names."""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, Precision
from elifpose.models import CSPNeXt, PoseEstimator
from elifpose.models.layers import ConvBNAct
from elifpose.quantization.convert import IntegerConv2d


class SimccNetwork(nn.Module):
    """Raw SimCC logits.

    The parts keep the network's names, ``backbone``, ``neck`` and ``head``; their weights are copies.

    Args:
        network: In evaluation mode, float or converted to integers.
        contract: What the input is.
        precision: With ``float16`` everything up to the keypoints' maps is computed in half precision, except the
            normalisation; the norms, the attention and the classifiers behind the maps stay float32.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: PoseEstimator, contract: Contract, precision: Precision) -> None:
        super().__init__()
        network = copy.deepcopy(network).eval()
        scale, shift = input_change(contract, network.mean, network.std)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        self.normalises = bool((scale != 1).any() or (shift != 0).any())
        self.dtype = torch.float16 if precision == "float16" else torch.float32
        if precision == "float16":
            _halve(network)
        if contract.channels == "BGR":
            _swap_red_and_blue(network.backbone)
        self.backbone, self.neck, self.head = network.backbone, network.neck, network.head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits along x and y ``(N, K, bins)``, float32, of ``(N, 3, H, W)`` as the contract has them."""
        normalised = images.float()
        if self.normalises:
            normalised = normalised * self.scale + self.shift
        maps = self.backbone(normalised.to(self.dtype))
        if self.neck is not None:
            maps = self.neck(maps)
        return self.head.classify(self.head.heatmaps(maps).float())


class KeypointNetwork(SimccNetwork):
    """Decoded keypoints and their scores.

    Args:
        network: As for :class:`SimccNetwork`.
        contract: As there.
        precision: As there.
        codec: How bins become keypoints.
        calibration: What scores mean; with None they stay raw.
    """

    def __init__(
        self,
        network: PoseEstimator,
        contract: Contract,
        precision: Precision,
        codec: SimCC,
        calibration: ScoreCalibration | None,
    ) -> None:
        super().__init__(network, contract, precision)
        self.codec = codec
        self.calibration = calibration

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints ``(N, K, 2)``, input pixels, and scores ``(N, K)``, float32, of ``(N, 3, H, W)``."""
        keypoints_input, scores = self.codec.decode(*super().forward(images))
        return keypoints_input, scores if self.calibration is None else self.calibration(scores)


def wrap(
    network: PoseEstimator,
    contract: Contract,
    precision: Precision,
    codec: SimCC,
    calibration: ScoreCalibration | None,
) -> SimccNetwork:
    """The module with the outputs that a contract names; the network given is left as it is."""
    if contract.outputs == "keypoints":
        return KeypointNetwork(network, contract, precision, codec, calibration)
    return SimccNetwork(network, contract, precision)


def input_dtype(contract: Contract) -> torch.dtype:
    """Type of a file's input: uint8 for images that a file decodes to keypoints, float32 otherwise."""
    return torch.uint8 if contract.outputs == "keypoints" and not contract.normalised else torch.float32


def input_change(contract: Contract, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift that turn a contract's input into what a network's first layer takes.

    An image v that a client made x = (v − m) / s of, where the network wants (v − M) / S, is x · s/S + (m − M)/S.
    It cannot be part of the first convolution, whose padding is of zeros after the normalisation.

    Args:
        contract: What the input is; m and s count where it is normalised outside, and are 0 and 1 otherwise.
        mean: M, ``(1, 3, 1, 1)``, of red, green and blue.
        std: S, likewise.

    Returns:
        Scale and shift, ``(1, 3, 1, 1)`` float32, in the order of the input's channels; exactly 1 and 0 where
        there is nothing to change.
    """
    if contract.channels == "BGR":
        mean, std = mean.flip(1), std.flip(1)
    if not contract.normalised:
        return std.reciprocal(), -mean / std
    outer_mean, outer_std = (torch.tensor(values).view(1, 3, 1, 1) for values in (contract.mean, contract.std))
    return outer_std / std, (outer_mean - mean) / std


@torch.no_grad()
def _swap_red_and_blue(backbone: CSPNeXt) -> None:
    """Make a backbone take BGR: the first convolution's input channels change places, float or integer."""
    conv = cast("ConvBNAct", backbone.stem[0]).conv
    weight = conv.codes if isinstance(conv, IntegerConv2d) else conv.weight
    weight.copy_(weight.flip(1))


def _halve(network: PoseEstimator) -> None:
    """Everything up to the keypoints' maps in half precision, in place.

    Norms become part of the convolutions first, in float32: the factor of a small variance is large, and rounding
    it and then the weight would round twice.
    """
    for block in network.modules():
        if isinstance(block, ConvBNAct):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.set_submodule("bn", nn.Identity())
    for part in (network.backbone, network.neck, network.head.final_layer):
        if part is not None:
            part.half()
