"""Fixtures of quantization's tests: small networks whose norms have statistics, and images for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from elifpose.models import CSPNeXt, CSPNeXtPAFPN, PoseEstimator, RTMCCHead
from elifpose.models.layers import Activation


@pytest.fixture
def build() -> Callable[[Activation], PoseEstimator]:
    """Build a quarter-width network with a neck, 5 keypoints, 64×96, in evaluation mode."""

    def with_activation(activation: Activation) -> PoseEstimator:
        torch.manual_seed(0)
        backbone = CSPNeXt(0.1, 0.125, activation, out_stages=(3, 4))
        neck = CSPNeXtPAFPN(backbone.out_channels, 32, (1,), activation=activation)
        head = RTMCCHead(32, 5, (64, 96), hidden_dims=32, attention_dims=16, activation=activation)
        network = PoseEstimator(backbone, head, neck)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
                nn.init.normal_(module.running_mean, std=0.3)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        nn.init.normal_(network.head.final_layer.weight, std=0.1)
        return network.eval()

    return with_activation


@pytest.fixture
def network(build: Callable[[Activation], PoseEstimator]) -> PoseEstimator:
    """The network with SiLU."""
    return build("SiLU")


@pytest.fixture
def images() -> Tensor:
    """Noise, ``(3, 3, 96, 64)`` uint8."""
    return torch.randint(0, 256, (3, 3, 96, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
