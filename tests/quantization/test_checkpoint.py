from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elifpose.models import PoseEstimator, save_network
from elifpose.models import load_network as load_float_network
from elifpose.quantization import QuantizationSpec, calibrate, is_prepared, prepare
from elifpose.quantization.checkpoint import QUANTIZATION, load_network
from elifpose.quantization.swap import quantization_arguments
from elifpose.utils.errors import ElifPoseError

SPEC = QuantizationSpec(observer="percentile", float_layers=("backbone.stem.0",), sixteen_bit_layers=("head.gau",))


@pytest.fixture
def prepared(network: PoseEstimator, images: Tensor) -> PoseEstimator:
    """The network with ranges from the images."""
    prepare(network, SPEC)
    calibrate(network, [images])
    return network.eval()


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_quantized_networks_file_gives_it_back(
    name: str, prepared: PoseEstimator, images: Tensor, tmp_path: Path
) -> None:
    spec = {"spec": quantization_arguments(prepared)}
    save_network(prepared, tmp_path / name, {QUANTIZATION: spec})
    again = load_network(tmp_path / name)
    assert quantization_arguments(again) == SPEC.arguments()
    assert not again.training
    with torch.no_grad():
        for mine, theirs in zip(again(images), prepared(images), strict=True):
            assert torch.equal(mine, theirs)
    with pytest.raises(ElifPoseError, match="is of quantization-aware training"):
        load_float_network(tmp_path / name)


@pytest.mark.parametrize("record", [{}, {QUANTIZATION: None}])
def test_a_float_networks_file_gives_a_float_network(
    record: dict[str, Any], network: PoseEstimator, tmp_path: Path
) -> None:
    save_network(network, tmp_path / "a.pt", record)
    assert not is_prepared(load_network(tmp_path / "a.pt"))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({QUANTIZATION: {"bits": 8}}, "record of the quantization is damaged"),
        ({QUANTIZATION: {"spec": {"bits": 8}}}, "record of the quantization is damaged"),
        ({QUANTIZATION: {"spec": {"weight_bits": 9}}}, "weight_bits is 9"),
        ({QUANTIZATION: {"spec": {"activation_bits": 16}}}, "does not fit the network"),
        ({QUANTIZATION: {"spec": {}}, "version": 2}, "version 2"),
    ],
)
def test_records_that_do_not_rebuild_are_named(
    record: dict[str, Any], message: str, prepared: PoseEstimator, tmp_path: Path
) -> None:
    save_network(prepared, tmp_path / "a.pt", record)
    with pytest.raises(ElifPoseError, match=message):
        load_network(tmp_path / "a.pt")
