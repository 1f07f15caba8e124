import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from elifpose.models import PoseEstimator
from elifpose.models.layers import Activation
from elifpose.quantization import (
    QuantizationSpec,
    calibrate,
    freeze,
    prepare,
    quantizers,
    set_observing,
    set_quantizing,
)
from elifpose.utils.errors import ElifPoseError


def _statistics(network: nn.Module) -> list[Tensor]:
    return [value.clone() for name, value in network.state_dict().items() if "running" in name or "tracked" in name]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["ReLU", "SiLU"])
def test_without_quantizing_a_prepared_network_is_the_float_one(
    build: Callable[[Activation], PoseEstimator], images: Tensor, activation: Activation, training: bool
) -> None:
    network = build(activation).train(training)
    twin = copy.deepcopy(network)
    prepare(twin)
    set_quantizing(twin, False)
    for mine, expected in zip(twin(images), network(images), strict=True):
        assert torch.equal(mine, expected)
    assert all(torch.equal(a, b) for a, b in zip(_statistics(twin), _statistics(network), strict=True))


def test_calibration_takes_ranges_of_the_float_network_and_changes_nothing_else(
    network: PoseEstimator, images: Tensor
) -> None:
    seen: list[Tensor] = []
    network.get_submodule("backbone.stem.1").register_forward_pre_hook(
        lambda _module, inputs: seen.append(inputs[0].detach())
    )
    network(images)
    network.train().head.eval()
    prepare(network)
    before, modes = _statistics(network), [module.training for module in network.modules()]
    calibrate(network, [images])
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(_statistics(network), before, strict=True))
    quantizer = dict(quantizers(network))["backbone.stem.0.point"]
    assert float(quantizer.low) == float(seen[0].min())
    assert float(quantizer.high) == float(seen[0].max())


def test_calibrating_again_starts_anew(network: PoseEstimator, images: Tensor) -> None:
    prepare(network)
    calibrate(network, [images])
    expected = [float(quantizer.high) for _, quantizer in quantizers(network)]
    calibrate(network, [images * 0, images * 0])
    calibrate(network, [images])
    assert [float(quantizer.high) for _, quantizer in quantizers(network)] == expected


@pytest.mark.parametrize("observer", ["minmax", "learned"])
def test_observers_follow_training_until_they_are_switched_off(
    network: PoseEstimator, images: Tensor, observer: str
) -> None:
    prepare(network, QuantizationSpec(observer=observer))  # type: ignore[arg-type]
    calibrate(network, [images])
    quantizer = dict(quantizers(network))["backbone.stem.0.point"]
    seen = [int(quantizer.batches)]
    network(images)  # in evaluation mode
    seen.append(int(quantizer.batches))
    network.train()
    network(images)
    seen.append(int(quantizer.batches))
    set_observing(network, False)
    network(images)
    seen.append(int(quantizer.batches))
    assert seen == ([1, 1, 2, 2] if observer == "minmax" else [1, 1, 1, 1])


def test_freeze_fixes_ranges_and_norms_but_not_weights(network: PoseEstimator, images: Tensor) -> None:
    prepare(network.train())
    calibrate(network, [images])
    freeze(network)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(images)[0].square().sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert network.training
    assert network.get_parameter("backbone.stem.0.conv.weight").grad is not None
    assert network.get_parameter("backbone.stem.0.bn.weight").grad is not None


def test_every_parameter_gets_a_gradient(network: PoseEstimator, images: Tensor) -> None:
    prepare(network.train(), QuantizationSpec(observer="learned"))
    calibrate(network, [images])
    simcc_x, simcc_y = network(images)
    (simcc_x.square().mean() + simcc_y.square().mean()).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_calibrating_without_a_batch_is_an_error(network: PoseEstimator) -> None:
    prepare(network)
    with pytest.raises(ElifPoseError, match=r"backbone.input_point has seen no data; calibrate"):
        calibrate(network, [])


def test_freezing_before_calibration_is_an_error(network: PoseEstimator) -> None:
    prepare(network)
    with pytest.raises(ElifPoseError, match="has seen no data"):
        freeze(network)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("observer", ["minmax", "percentile", "learned"])
def test_values_that_are_not_finite_name_the_layer(
    network: PoseEstimator, images: Tensor, value: float, observer: str
) -> None:
    prepare(network, QuantizationSpec(observer=observer))  # type: ignore[arg-type]
    network.get_parameter("backbone.stem.1.bn.bias").data[0] = value
    with pytest.raises(ElifPoseError, match=r"backbone\.stem\.1\.inner_point"):
        calibrate(network, [images])
    network.get_parameter("backbone.stem.1.bn.bias").data[0] = 0.0
    calibrate(network, [images])  # recovers


def test_a_float_network_is_told_to_prepare(network: PoseEstimator, images: Tensor) -> None:
    for function in (freeze, lambda of: calibrate(of, [images])):
        with pytest.raises(ElifPoseError, match="prepare it first"):
            function(network)


def test_bfloat16_autocast_trains(network: PoseEstimator, images: Tensor) -> None:
    prepare(network.train())
    calibrate(network, [images])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        simcc_x, simcc_y = network(images)
    (simcc_x.square().mean() + simcc_y.square().mean()).backward()
    assert simcc_x.dtype == torch.float32
    assert all(torch.isfinite(value.grad).all() for value in network.parameters() if value.grad is not None)
    assert all(quantizer.low.dtype == torch.float32 for _, quantizer in quantizers(network))


def test_channels_last_stays(network: PoseEstimator, images: Tensor) -> None:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    prepare(network)
    calibrate(network, [images])
    of_point = network.backbone(images.float().contiguous(memory_format=torch.channels_last))
    assert all(of_map.is_contiguous(memory_format=torch.channels_last) for of_map in of_point)


def test_people_do_not_depend_on_their_batch(network: PoseEstimator, images: Tensor) -> None:
    prepare(network)
    calibrate(network, [images])
    together = network(images)[0]
    alone = torch.cat([network(image[None])[0] for image in images])
    assert (together - alone).abs().max() < 0.05 * together.std()
