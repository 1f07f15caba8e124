"""Networks whose answers depend on the image, as those of fresh weights hardly do."""

import torch
from torch import Tensor, nn

from elifpose.models import PoseEstimator


def settled(network: PoseEstimator, images: Tensor) -> PoseEstimator:
    """With weights that let the images through to the logits, and norms that fit the images."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.5 * module.in_features**-0.5)
        for _ in range(10):
            network(images)
        network.eval()
        simcc_x, _ = network(images[:2])
    assert (simcc_x[0] - simcc_x[1]).abs().max() > 0.05 * (simcc_x.max() - simcc_x.min())
    return network
