import inspect
from typing import Any

import pytest
import torch

from elifpose.models import RTMCCHead
from elifpose.utils.errors import ElifPoseError


def test_forward_classifies_the_maps_of_the_last_feature_map() -> None:
    head = RTMCCHead(8, 5, (64, 96)).eval()
    features = (torch.randn(2, 4, 6, 4), torch.randn(2, 8, 3, 2))
    heatmaps = head.heatmaps(features)
    assert heatmaps.shape == (2, 5, 3, 2)
    simcc_x, simcc_y = head(features)
    assert simcc_x.shape == (2, 5, 128)
    assert simcc_y.shape == (2, 5, 192)
    torch.testing.assert_close(head.classify(heatmaps), (simcc_x, simcc_y))


@pytest.mark.parametrize(
    ("input_size", "split_ratio", "bins"),
    [((192, 256), 2.0, (384, 512)), ((288, 384), 3.0, (864, 1152)), ((96, 128), 1.0, (96, 128))],
)
def test_bins(input_size: tuple[int, int], split_ratio: float, bins: tuple[int, int]) -> None:
    head = RTMCCHead(8, 3, input_size, split_ratio)
    assert head.bins == bins
    assert (head.cls_x.out_features, head.cls_y.out_features) == bins


def test_weights_start_as_the_recipe_has_them() -> None:
    torch.manual_seed(0)
    head = RTMCCHead(256, 26, (192, 256))
    assert head.final_layer.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not torch.any(head.final_layer.bias)  # type: ignore[arg-type]
    for linear in (head.mlp[1], head.gau.uv, head.gau.o, head.cls_x, head.cls_y):
        assert torch.std(linear.weight).item() == pytest.approx(0.01, rel=0.05)  # type: ignore[arg-type]


def test_logits_keep_the_precision_of_the_weights_under_autocast() -> None:
    torch.manual_seed(0)
    head = RTMCCHead(8, 5, (64, 96))
    features = (torch.randn(2, 8, 3, 2),)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        simcc_x, simcc_y = head(features)
    assert simcc_x.dtype == simcc_y.dtype == torch.float32
    assert not torch.equal(simcc_x, simcc_x.bfloat16().float())
    torch.testing.assert_close(simcc_x, head(features)[0], rtol=0.05, atol=1e-3)


def test_arguments_rebuild_the_head() -> None:
    given: dict[str, Any] = {
        "in_channels": 8,
        "num_keypoints": 5,
        "input_size": [64, 96],
        "split_ratio": 3.0,
        "stride": 16,
        "kernel_size": 5,
        "hidden_dims": 32,
        "attention_dims": 16,
        "expansion": 3,
        "activation": "ReLU",
    }
    assert set(given) == set(inspect.signature(RTMCCHead).parameters)
    assert RTMCCHead(**given).arguments() == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": (100, 256)}, r"input_size is \[100, 256\]; give width and height, both multiples of 32"),
        ({"input_size": (0, 256)}, "input_size"),
        ({"input_size": (192,)}, "input_size"),
        ({"split_ratio": 0.5}, "split_ratio is 0.5"),
        ({"kernel_size": 4}, "kernel_size is 4; give an odd number"),
        ({"num_keypoints": 0}, "num_keypoints is 0"),
        ({"activation": "Tanh"}, "activation is 'Tanh'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    fine: dict[str, Any] = {"in_channels": 8, "num_keypoints": 5, "input_size": (192, 256)}
    with pytest.raises(ElifPoseError, match=message):
        RTMCCHead(**fine | arguments)
