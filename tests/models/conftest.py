"""Fixtures of the network's tests: networks by their published name, filled with the reference's seeded weights."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from elifpose.models import CSPNeXt, CSPNeXtPAFPN, PoseEstimator, RTMCCHead


def _seeded_array(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return np.zeros(shape)
    if last == "running_var":
        return rng.uniform(0.5, 1.5, shape)
    if last == "weight" and len(shape) == 2:
        return np.asarray(rng.standard_normal(shape) * 0.5 / np.sqrt(shape[1]))
    if last == "weight" and len(shape) >= 3:
        return np.asarray(rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:])))
    if last in {"weight", "g", "scale", "gamma"}:
        return rng.uniform(0.5, 1.5, shape)
    return 0.1 * rng.standard_normal(shape)


@pytest.fixture(scope="session")
def seed_weights() -> Callable[..., None]:
    """Fill a module with weights that depend on their names alone, as the reference figures were made with."""

    def fill(module: nn.Module, prefix: str = "") -> None:
        state = module.state_dict()
        for name, value in state.items():
            array = np.asarray(_seeded_array(prefix + name, tuple(value.shape)), dtype=np.float32)
            value.copy_(torch.from_numpy(array))

    return fill


@pytest.fixture(scope="session")
def complexity(reference: Path) -> dict[str, Any]:
    """Sizes of each published network, by name."""
    figures: dict[str, Any] = json.loads((reference / "models_complexity.json").read_text())
    return figures


@pytest.fixture(scope="session")
def build_published(complexity: dict[str, Any]) -> Callable[[str], PoseEstimator]:
    """Build the network of a name such as ``rtmpose-t_halpe26_256x192``."""

    def build(name: str) -> PoseEstimator:
        _, skeleton, size = name.split("_")
        height, width = (int(side) for side in size.split("x"))
        backbone = CSPNeXt(complexity[name]["deepen"], complexity[name]["widen"])
        num_keypoints = {"coco17": 17, "halpe26": 26}[skeleton]
        return PoseEstimator(backbone, RTMCCHead(backbone.out_channels[-1], num_keypoints, (width, height)))

    return build


@pytest.fixture
def small_network() -> PoseEstimator:
    """A quarter-width network with a neck, 5 keypoints, 64×96."""
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, out_stages=(3, 4))
    neck = CSPNeXtPAFPN(backbone.out_channels, out_channels=32, out_indices=(1,))
    return PoseEstimator(backbone, RTMCCHead(32, 5, (64, 96), hidden_dims=32, attention_dims=16), neck).eval()
