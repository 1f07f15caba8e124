import math
from pathlib import Path

import pytest
import torch

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract
from elifpose.export.layers import compare_layers, signal_to_noise
from elifpose.export.onnx import LAYER, write_onnx
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import calibrate, convert, prepare

onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
for package in ("onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="needs elifpose[export]")

SIZE = (64, 96)
IMAGES = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CODEC = SimCC(SIZE)


def tiny(integer: bool) -> PoseEstimator:
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, "SiLU", out_stages=(1,))
    network = PoseEstimator(backbone, RTMCCHead(backbone.out_channels[-1], 5, SIZE, stride=4, hidden_dims=32)).eval()
    if not integer:
        return network
    prepare(network)
    calibrate(network, [IMAGES])
    converted = convert(network)
    assert isinstance(converted, PoseEstimator)
    return converted


@pytest.fixture(scope="module", params=["float32", "int8"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[PoseEstimator, Path]:
    """A network, and a file of it that takes BGR."""
    network, path = tiny(request.param == "int8"), tmp_path_factory.mktemp("exported") / "network.onnx"
    contract = Contract(SIZE, CODEC.split_ratio, "keypoints", False, "BGR", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    write_onnx(network, path, contract, request.param, CODEC, None, {"codec": CODEC.arguments()})
    return network, path


def damage(path: Path, layer: str, destination: Path) -> Path:
    """A copy of a file in which the numbers of a layer's weight are in the opposite order."""
    from onnx import numpy_helper

    model = onnx.load(path)
    taken = {
        name
        for node in model.graph.node
        if any(entry.key == LAYER and f"{entry.value}.".startswith(f"{layer}.") for entry in node.metadata_props)
        for name in node.input
    }
    (weight,) = (of for of in model.graph.initializer if of.name in taken and len(of.dims) > 1)
    values = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(values.ravel()[::-1].reshape(values.shape).copy(), weight.name))
    onnx.save(model, destination)
    return destination


def test_layers_of_a_good_file_agree(exported: tuple[PoseEstimator, Path]) -> None:
    differences = compare_layers(*exported, IMAGES)
    names = {difference.name for difference in differences}
    assert {"backbone.stem.0", "backbone.stage1.1.final_conv", "head.gau.uv", "head.cls_x", "head.cls_y"} <= names
    assert differences == sorted(differences, key=lambda difference: difference.signal_to_noise)
    assert differences[0].signal_to_noise > 40


@pytest.mark.parametrize(
    "layer", ["backbone.stem.1", "backbone.stage1.1.blocks.0.conv1", "head.gau.uv", "head.cls_y"]
)
def test_the_damaged_layer_is_the_worst_and_the_only_bad_one(
    exported: tuple[PoseEstimator, Path], tmp_path: Path, layer: str
) -> None:
    network, path = exported
    worst, *others = compare_layers(network, damage(path, layer, tmp_path / "damaged.onnx"), IMAGES)
    assert worst.name.startswith(layer)
    assert worst.signal_to_noise < 10
    assert min(other.signal_to_noise for other in others if not other.name.startswith(layer)) > 40


def test_decibels() -> None:
    signal = torch.tensor([3.0, 4.0])
    assert signal_to_noise(signal, signal + torch.tensor([0.3, 0.4])) == pytest.approx(20.0, abs=1e-5)
    assert signal_to_noise(signal, torch.zeros(2)) == pytest.approx(0.0)
    assert signal_to_noise(signal, signal) == math.inf
    assert signal_to_noise(torch.zeros(2), signal) == -math.inf
    assert signal_to_noise(signal, torch.tensor([math.nan, 4.0])) == -math.inf
