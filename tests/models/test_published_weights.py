"""The detector RTMDet-nano as published, in the modules that the pose network is made of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elifpose.models import CSPNeXt, CSPNeXtPAFPN
from elifpose.models.layers import ConvBNAct


def _load(path: Path) -> dict[str, Tensor]:
    with np.load(path) as stored:
        return {name: torch.from_numpy(stored[name]).double() for name in stored.files}


def _fill(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights whose norms are part of the convolutions: ours then add the bias and do nothing else."""
    weights = dict(weights)
    for name, layer in module.named_modules():
        if isinstance(layer, ConvBNAct):
            channels = layer.bn.num_features
            weights[f"{name}.bn.weight"] = torch.full((channels,), (1 + layer.bn.eps) ** 0.5)
            weights[f"{name}.bn.bias"] = weights.pop(f"{name}.conv.bias")
            weights[f"{name}.bn.running_mean"] = torch.zeros(channels)
            weights[f"{name}.bn.running_var"] = torch.ones(channels)
            weights[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    module.load_state_dict(weights)


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def found(shared: Path) -> dict[str, Tensor]:
    """What each part gives for the stored input, by name; float64, so that roundings are those of the stored."""
    weights = _load(shared / "samples/detector/rtmdet_nano_person_folded_named.npz")
    images = _load(shared / "samples/detector/rtmdet_nano_golden_320x320.npz")["input"]
    backbone = CSPNeXt(0.33, 0.25, out_stages=(2, 3, 4), depthwise=True)
    neck = CSPNeXtPAFPN(backbone.out_channels, out_channels=64, depthwise=True)
    found: dict[str, Tensor] = {}
    for prefix, module in (("backbone.", backbone), ("neck.", neck)):
        _fill(module.double().eval(), _part(weights, prefix))
        for name, layer in module.named_modules():

            def keep(layer: nn.Module, inputs: object, out: Tensor, name: str = prefix + name) -> None:
                found[name] = out

            if name:
                layer.register_forward_hook(keep)
    with torch.no_grad():
        found |= {f"neck.out{level}": each for level, each in enumerate(neck(backbone(images)))}
    return found


def test_rtmdet_nano_gives_its_activations(found: dict[str, Tensor], shared: Path) -> None:
    golden = _load(shared / "samples/detector/rtmdet_nano_golden_320x320.npz")
    names = [name for name in golden if name.startswith(("backbone.", "neck."))]
    assert len(names) == 16
    for name in names:
        assert (found[name] - golden[name]).abs().max() < 2e-3, name
