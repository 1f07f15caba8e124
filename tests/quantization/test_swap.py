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
    is_prepared,
    prepare,
    quantization_arguments,
    quantizers,
    unprepare,
)
from elifpose.utils.errors import ElifPoseError


def _step(network: nn.Module, images: Tensor) -> None:
    simcc_x, simcc_y = network(images)
    (simcc_x.square().mean() + simcc_y.square().mean()).backward()


def test_parameters_stay_the_same_objects_with_the_same_names(network: PoseEstimator) -> None:
    before = dict(network.named_parameters())
    prepare(network)
    after = dict(network.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_learned_steps_are_the_only_new_parameters(network: PoseEstimator) -> None:
    before = dict(network.named_parameters())
    prepare(network, QuantizationSpec(observer="learned"))
    after = dict(network.named_parameters())
    assert all(after[name] is before[name] for name in before)
    assert {name.rpartition(".")[2] for name in after.keys() - before.keys()} == {"log_scale", "zero_point"}


@pytest.mark.parametrize("activation", ["ReLU", "SiLU"])
def test_the_state_dict_grows_by_ranges_alone(
    build: Callable[[Activation], PoseEstimator], activation: Activation
) -> None:
    network = build(activation)
    before = network.state_dict()
    prepare(network)
    after = network.state_dict()
    assert [name for name in after if name in before] == list(before)
    new = {name.split(".point.", 1)[-1].split("_point.", 1)[-1] for name in after if name not in before}
    assert {name.rpartition(".")[2] for name in new} == {"low", "high", "batches"}


def test_the_first_optimizer_step_after_insertion_uses_the_state_from_before(
    network: PoseEstimator, images: Tensor
) -> None:
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=1e-3)
    _step(network, images)
    optimizer.step()
    prepare(network)
    weight = network.get_parameter("backbone.stem.0.conv.weight")
    before = weight.detach().clone()
    optimizer.zero_grad()
    _step(network, images)
    optimizer.step()
    assert optimizer.state[weight]["step"] == 2
    assert not torch.equal(weight, before)


@pytest.mark.parametrize("observer", ["minmax", "learned"])
def test_unprepare_gives_the_float_network_back(network: PoseEstimator, images: Tensor, observer: str) -> None:
    classes = [type(module) for module in network.modules()]
    names, keys = [name for name, _ in network.named_modules()], list(network.state_dict())
    expected = network(images)
    prepare(network, QuantizationSpec(observer=observer))  # type: ignore[arg-type]
    calibrate(network, [images])
    assert not torch.equal(network(images)[0], expected[0])
    unprepare(network)
    assert [type(module) for module in network.modules()] == classes
    assert [name for name, _ in network.named_modules()] == names
    assert list(network.state_dict()) == keys
    assert all(torch.equal(a, b) for a, b in zip(network(images), expected, strict=True))
    assert not is_prepared(network)
    prepare(network)  # and so on


def test_the_report_counts_what_is_float_and_what_cannot_be_quantized(network: PoseEstimator) -> None:
    network.add_module("extra", nn.ConvTranspose2d(4, 4, 2))
    report = prepare(network, QuantizationSpec(float_layers=("head.cls_*", "backbone.stem.0")))
    assert report.unsupported == ("extra (ConvTranspose2d)",)
    assert "head.cls_x" in report.kept_float
    assert type(network.head.cls_x) is nn.Linear
    assert "backbone.stem.1.conv" in report.swapped
    assert not set(report.swapped) & set(report.kept_float)
    assert "6 kept float; not supported, so float: extra (ConvTranspose2d)" in str(report)


def test_a_network_of_this_package_is_supported_throughout(network: PoseEstimator) -> None:
    report = prepare(network)
    assert report.unsupported == ()
    assert "not supported" not in str(report)


def test_bits_of_activations(network: PoseEstimator) -> None:
    prepare(network, QuantizationSpec(sixteen_bit_layers=("head.gau",)))
    bits = {name: quantizer.bits for name, quantizer in quantizers(network)}
    assert {name for name, of_point in bits.items() if of_point == 16} == {n for n in bits if "head.gau." in n}
    assert set(bits.values()) == {8, 16}


def test_preparing_twice_and_undoing_nothing_are_errors(network: PoseEstimator) -> None:
    with pytest.raises(ElifPoseError, match="prepare it first"):
        unprepare(network)
    prepare(network)
    with pytest.raises(ElifPoseError, match="quantized already"):
        prepare(network)


def test_keeping_everything_float_is_an_error_that_changes_nothing(network: PoseEstimator) -> None:
    with pytest.raises(ElifPoseError, match="nothing is left"):
        prepare(network, QuantizationSpec(float_layers=("*",)))
    assert not is_prepared(network)


def test_an_unknown_pattern_changes_nothing(network: PoseEstimator) -> None:
    with pytest.raises(ElifPoseError, match="sixteen_bit_layers has 'nope'"):
        prepare(network, QuantizationSpec(sixteen_bit_layers=("nope",)))
    assert not any(True for _ in quantizers(network))


def test_arguments_say_how_a_network_is_quantized(network: PoseEstimator) -> None:
    assert quantization_arguments(network) is None
    spec = QuantizationSpec(observer="percentile", float_layers=("head",))
    prepare(network, spec)
    arguments = quantization_arguments(network)
    assert arguments is not None
    assert QuantizationSpec(**arguments) == spec  # type: ignore[arg-type]


def test_a_copy_and_a_freshly_prepared_network_compute_the_same(
    build: Callable[[Activation], PoseEstimator], images: Tensor
) -> None:
    trained = build("ReLU")
    prepare(trained)
    calibrate(trained, [images])
    expected = trained(images)
    twin = copy.deepcopy(trained)
    assert is_prepared(twin)
    fresh = build("ReLU")
    prepare(fresh)
    fresh.load_state_dict(trained.state_dict())
    for network in (twin, fresh):
        assert all(torch.equal(a, b) for a, b in zip(network(images), expected, strict=True))
