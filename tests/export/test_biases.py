from typing import cast

import torch

from elifpose.export.biases import round_biases
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.quantization.convert import IntegerConv2d, IntegerPoint

IMAGES = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _integers(**options: object) -> PoseEstimator:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.1, 0.125), RTMCCHead(128, 5, (64, 96), hidden_dims=32, attention_dims=16))
    network(IMAGES)
    prepare(network, QuantizationSpec(**options))  # type: ignore[arg-type]  # a test's own few options
    calibrate(network, [IMAGES])
    return cast("PoseEstimator", convert(network))


def test_biases_are_whole_steps_of_the_input_s_scale_times_the_weight_s() -> None:
    network = _integers()
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, IntegerConv2d)}
    before = {name: conv.bias.clone() for name, conv in convolutions.items() if conv.bias is not None}
    with torch.no_grad():
        expected = network(IMAGES)
    round_biases(network)
    feeding = {
        "backbone.stem.0.conv": "backbone.input_point",
        "backbone.stem.1.conv": "backbone.stem.0.point",
        "backbone.stage1.1.final_conv.conv": "backbone.stage1.1.attention.point",
        "backbone.stage1.1.attention.fc": "backbone.stage1.1.attention.pool_point",
        "backbone.stage4.1.conv2.conv": "backbone.stage4.1.pyramid_point",
        "head.final_layer": "backbone.stage4.2.final_conv.point",
    }
    for name, of_point in feeding.items():
        conv, point = convolutions[name], network.get_submodule(of_point)
        assert isinstance(point, IntegerPoint)
        assert conv.bias is not None
        codes = conv.bias / (point.scale * conv.scales)
        torch.testing.assert_close(codes, codes.round(), atol=0, rtol=1e-6)
    for name, bias in before.items():
        rounded = cast("torch.Tensor", convolutions[name].bias)
        assert (rounded - bias).abs().max() < 1e-3
        assert not (name.endswith(".conv") and torch.equal(rounded, bias))  # the others start at zero
    with torch.no_grad():
        for logits, of_before in zip(network(IMAGES), expected, strict=True):
            assert (logits - of_before).std() < 0.1 * of_before.std()


def test_a_float_layer_s_input_has_no_steps() -> None:
    network = _integers(float_layers=("backbone.input_point",))
    conv = cast("IntegerConv2d", network.get_submodule("backbone.stem.0.conv"))
    before = cast("torch.Tensor", conv.bias).clone()
    round_biases(network)
    assert torch.equal(cast("torch.Tensor", conv.bias), before)


def test_a_dead_channel_behind_a_dead_map_keeps_its_bias() -> None:
    network = _integers()
    conv = cast("IntegerConv2d", network.get_submodule("backbone.stage1.1.final_conv.conv"))
    point = cast("IntegerPoint", network.get_submodule("backbone.stage1.1.attention.point"))
    point.scale = 2.0**-100  # what zeros get, here and below
    conv.scales[:2] = 2.0**-100
    bias = cast("torch.Tensor", conv.bias)
    bias[0], bias[1] = 0.0, 1e-20
    expected = bias.clone()
    round_biases(network)
    torch.testing.assert_close(bias, expected, rtol=1e-5, atol=0)
