import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, load_network
from elifpose.models.shapes import network_of_shapes
from elifpose.utils.errors import ElifPoseError

PUBLISHED = [
    *(f"rtmpose-{size}_{keypoints}_256x192" for size in "tsml" for keypoints in ("coco17", "halpe26")),
    *(f"rtmpose-{size}_halpe26_384x288" for size in "mlx"),
]


def _shapes(network: PoseEstimator) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def published(reference: Path) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of published weights, by network."""
    stored = json.loads((reference / "models_state_dict_shapes.json").read_text())
    return {name: shapes for name, shapes in stored.items() if name.startswith("rtmpose")}


def test_all_published_networks_are_looked_at(published: dict[str, Any]) -> None:
    assert set(PUBLISHED) == set(published)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_say_what_network_they_are_of(
    name: str, published: dict[str, dict[str, list[int]]]
) -> None:
    with torch.device("meta"):
        network = network_of_shapes(published[name])
    assert _shapes(network) == {key: tuple(shape) for key, shape in published[name].items()}
    height, width = (int(side) for side in name.rpartition("_")[2].split("x"))
    assert network.head.input_size == (width, height)
    assert network.head.split_ratio == 2
    assert network.head.activation == network.backbone.activation == "SiLU"


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ({"deepen_factor": 0.33, "widen_factor": 0.25, "depthwise": True, "out_stages": (3,)}, {"stride": 16}),
        ({"deepen_factor": 0.1, "widen_factor": 0.25, "channel_attention": False, "expand_ratio": 0.25}, {}),
        ({"deepen_factor": 0.5, "widen_factor": 0.125, "out_stages": (1,)}, {"stride": 4, "kernel_size": 3}),
        ({"deepen_factor": 0.85, "widen_factor": 0.125}, {"hidden_dims": 32, "attention_dims": 16, "expansion": 3}),
    ],
)
def test_other_sizes_are_told_too(backbone: dict[str, Any], head: dict[str, Any]) -> None:
    with torch.device("meta"):
        of_backbone = CSPNeXt(**backbone)
        network = PoseEstimator(of_backbone, RTMCCHead(of_backbone.out_channels[-1], 5, (64, 96), **head))
        assert _shapes(network_of_shapes(_shapes(network))) == _shapes(network)


def test_a_bare_state_dict_rebuilds_the_network(
    build_published: Callable[[str], PoseEstimator], seed_weights: Callable[..., None], tmp_path: Path
) -> None:
    seed_weights(network := build_published("rtmpose-t_coco17_256x192").eval())
    averaged = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"meta": {"epoch": 1}, "ema_state_dict": averaged | {"steps": torch.tensor(1)}}, tmp_path / "a.pth")
    images = torch.rand(1, 3, 256, 192) * 255
    with torch.no_grad():
        for mine, theirs in zip(load_network(tmp_path / "a.pth")(images), network(images), strict=True):
            assert torch.equal(mine, theirs)


def _without(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if part not in name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: _without(weights, "head.cls_x"), "it has no head.cls_x.weight; build the network in Python"),
        (lambda weights: _without(weights, "backbone."), "it has no backbone.stem.2.conv.weight"),
        (lambda weights: weights | {"neck.a": torch.ones(1)}, "it has a neck"),
        (lambda weights: weights | {"head.final_layer.weight": torch.ones(5)}, "shapes of another kind"),
        (lambda weights: weights | {"head.gau.gamma": torch.ones(2)}, "shapes of another kind"),
        (lambda weights: weights | {"head.cls_x.weight": torch.ones(100, 256)}, "input_size is"),
        (lambda weights: weights | {"head.extra": torch.ones(1)}, "does not fit .* 1 unexpected .head.extra."),
        (lambda weights: weights | {"backbone.stage7.1.blocks.0.a": torch.ones(1)}, "shapes of another kind"),
    ],
)
def test_weights_of_other_networks_are_refused(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, tmp_path: Path
) -> None:
    backbone = CSPNeXt(0.1, 0.125)
    network = PoseEstimator(backbone, RTMCCHead(backbone.out_channels[-1], 5, (64, 96)))
    torch.save(change(network.state_dict()), tmp_path / "a.pth")
    with pytest.raises(ElifPoseError, match=message) as caught:
        load_network(tmp_path / "a.pth")
    assert str(tmp_path / "a.pth") in str(caught.value)
