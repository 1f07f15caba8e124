import pytest
import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.models import PoseEstimator
from elifpose.quantization import (
    QuantizationSpec,
    calibrate,
    prepare,
    quantizers,
    sensitivity,
)
from elifpose.utils.errors import ElifPoseError

CODEC = SimCC((64, 96))


def test_a_layer_with_a_bad_range_comes_first(network: PoseEstimator, images: Tensor) -> None:
    prepare(network)
    calibrate(network, [images])
    dict(quantizers(network))["head.mlp_point"].high.fill_(1000.0)
    errors = sensitivity(network, [images[:2], images[2:]], CODEC)
    assert errors[0].name == "head.mlp.1"
    assert errors[0].mean_shift > 2 * errors[1].mean_shift
    assert errors[0].signal_to_noise == min(error.signal_to_noise for error in errors)
    assert [error.mean_shift for error in errors] == sorted((e.mean_shift for e in errors), reverse=True)
    assert all(error.max_shift >= error.mean_shift for error in errors)


def test_signal_to_noise_is_that_of_uniform_rounding(network: PoseEstimator) -> None:
    images = torch.randint(0, 256, (4, 3, 96, 64), dtype=torch.uint8)
    prepare(network)
    calibrate(network, [images])
    quantizer = dict(quantizers(network))["backbone.input_point"]
    errors = {error.name: error for error in sensitivity(network, [images], CODEC)}
    normalised = (images - network.mean) / network.std
    step = float(quantizer.scale_and_zero_point()[0])
    expected = 10 * torch.log10(normalised.square().mean() / (step**2 / 12))
    assert errors["backbone.input_point"].signal_to_noise == pytest.approx(float(expected), abs=0.5)


def test_the_network_is_left_as_it_was(network: PoseEstimator, images: Tensor) -> None:
    prepare(network.train())
    calibrate(network, [images])
    network.head.eval()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    sensitivity(network, [images], CODEC)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(quantizer.quantizing for _, quantizer in quantizers(network))


def test_float_layers_are_not_in_the_report(network: PoseEstimator, images: Tensor) -> None:
    prepare(network, QuantizationSpec(float_layers=("head",)))
    calibrate(network, [images])
    assert not any(error.name.startswith("head") for error in sensitivity(network, [images], CODEC))


def test_no_images_is_an_error(network: PoseEstimator, images: Tensor) -> None:
    prepare(network)
    calibrate(network, [images])
    with pytest.raises(ElifPoseError, match="no batch of images"):
        sensitivity(network, [], CODEC)
