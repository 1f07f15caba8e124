import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elifpose.models import CSPNeXt, CSPNeXtPAFPN
from elifpose.utils.errors import ElifPoseError

VARIANTS = ("rtmo_like_x0.5/mmdet", "rtmpose_pretrain_tiny_out_indices_None/mmpose", "rtmw_m/mmpose")


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_the_reference(variant: str, reference: Path, seed_weights: Callable[..., None]) -> None:
    stored = json.loads((reference / "neck_cspnextpafpn.json").read_text())[variant]
    arguments = {name: value for name, value in stored["cfg"].items() if not name.endswith("_cfg")}
    neck = CSPNeXtPAFPN(**arguments).eval()
    assert {name: list(value.shape) for name, value in neck.state_dict().items()} == stored["state"]
    assert sum(parameter.numel() for parameter in neck.parameters()) == stored["params"]

    seed_weights(neck, "neck.")
    features = [
        torch.from_numpy(np.random.RandomState(100 + level).uniform(-1, 1, shape).astype(np.float32))
        for level, shape in enumerate(stored["in_shapes"])
    ]
    with torch.no_grad():
        maps = neck(features)
    assert [list(m.shape) for m in maps] == stored["out_shapes"]
    assert neck.map_channels == tuple(shape[1] for shape in stored["out_shapes"])
    outputs = np.load(reference / "neck_cspnextpafpn.npz")
    for index, m in enumerate(maps):  # the first 64 channels were stored
        np.testing.assert_allclose(m[:, :64], outputs[f"{variant}/out{index}"], atol=3e-5)


def _unfolded(state: dict[str, Tensor], folded: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights with batch normalisation folded into them, as convolutions and batch norms that only shift."""
    weights = {}
    for name, value in state.items():
        layer, last = name.rsplit(".", 1)
        if layer.endswith(".bn"):
            bias = folded[layer.removesuffix("bn") + "conv.bias"]
            scale = torch.full_like(bias, (1 + 1e-5) ** 0.5)
            weights[name] = {"weight": scale, "bias": bias}.get(last, value)
        else:
            weights[name] = folded[name]
    return weights


def test_depthwise_backbone_and_neck_are_those_of_rtmdet_nano(shared: Path) -> None:
    folder = shared / "samples" / "detector"
    folded = {
        name: torch.from_numpy(value)
        for name, value in np.load(f"{folder}/rtmdet_nano_person_folded_named.npz").items()
    }
    golden = np.load(folder / "rtmdet_nano_golden_320x320.npz")
    backbone = CSPNeXt(0.33, 0.25, out_stages=(2, 3, 4), depthwise=True)
    parts = nn.ModuleDict(
        {"backbone": backbone, "neck": CSPNeXtPAFPN(backbone.out_channels, 64, depthwise=True)}
    ).eval()
    parts.load_state_dict(_unfolded(parts.state_dict(), folded))
    bare = {name for name in folded if name.startswith(("backbone.", "neck."))}
    assert bare == {
        name.replace("bn.bias", "conv.bias") for name, _ in parts.named_parameters() if "bn.weight" not in name
    }

    seen: dict[str, Tensor] = {}
    for name, module in parts.named_modules():
        if name in golden.files:
            module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
    with torch.no_grad():
        maps = parts["neck"](parts["backbone"](torch.from_numpy(golden["input"])))
    seen |= {f"neck.out{level}": m for level, m in enumerate(maps)}
    expected = {name for name in golden.files if name.startswith(("backbone.", "neck."))}
    assert set(seen) == expected
    for name, value in seen.items():
        np.testing.assert_allclose(value, golden[name], atol=2e-3, err_msg=name)


@pytest.mark.parametrize("out_indices", [(0,), (1,), (0, 2)])
@pytest.mark.parametrize("out_channels", [None, 8])
def test_chosen_maps_are_those_of_the_whole_and_all_weights_learn(
    out_indices: tuple[int, ...], out_channels: int | None
) -> None:
    torch.manual_seed(0)
    channels = (4, 8, 16)
    whole = CSPNeXtPAFPN(channels, out_channels)
    part = CSPNeXtPAFPN(channels, out_channels, out_indices)
    part.load_state_dict({name: value for name, value in whole.state_dict().items() if name in part.state_dict()})
    features = [torch.randn(2, c, side, side) for c, side in zip(channels, (16, 8, 4), strict=True)]
    maps = part(features)
    torch.testing.assert_close(maps, tuple(whole(features)[level] for level in out_indices))
    torch.autograd.backward([m.sum() for m in maps])
    assert all(parameter.grad is not None for parameter in part.parameters())


def test_arguments_rebuild_the_neck() -> None:
    given: dict[str, Any] = {
        "in_channels": [8, 16],
        "out_channels": 4,
        "out_indices": [1],
        "num_csp_blocks": 2,
        "expand_ratio": 0.25,
        "depthwise": True,
        "activation": "Hardswish",
    }
    assert set(given) == set(inspect.signature(CSPNeXtPAFPN).parameters)
    assert CSPNeXtPAFPN(**given).arguments() == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": [8]}, "two maps or more"),
        ({"in_channels": [8, 16], "out_indices": [2]}, "out_indices is .* from 0 to 1"),
        ({"in_channels": [8, 16], "num_csp_blocks": 0}, "num_csp_blocks is 0"),
        ({"in_channels": [8, 16], "activation": "Mish"}, "activation is 'Mish'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        CSPNeXtPAFPN(**arguments)
