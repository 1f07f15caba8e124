import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, Precision
from elifpose.export.coreml import write_coreml
from elifpose.export.mil_runner import MilRunner
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.utils.errors import ElifPoseError

pytestmark = [
    pytest.mark.skipif(find_spec("coremltools") is None, reason="needs elifpose[coreml]"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # coremltools on NumPy 2
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # a folder that it leaves behind
]
CODEC = SimCC((64, 96), refine=True)
CONTRACT = Contract((64, 96), 2.0, "keypoints", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CALIBRATION = ScoreCalibration(0.5, 0.1)
NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
ABOUT: dict[str, Any] = {
    "skeleton": {"name": "five", "keypoints": NAMES},
    "codec": CODEC.arguments(),
    "calibration": {"temperature": 0.5, "offset": 0.1},
    "checkpoint": {"name": "best.ckpt", "sha256": "0" * 64},
    "versions": {},
}


def small_network() -> PoseEstimator:
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, "ReLU", out_stages=(2,))
    head = RTMCCHead(
        backbone.out_channels[-1], 5, (64, 96), stride=8, hidden_dims=32, attention_dims=16, activation="ReLU"
    )
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(20)
    return PoseEstimator(backbone, head).eval()


def some_images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 96, 64), generator=generator, dtype=torch.uint8)


def write(path: Path, precision: Precision = "float32", contract: Contract = CONTRACT) -> Path:
    write_coreml(small_network(), path, contract, precision, CODEC, CALIBRATION, ABOUT)
    return path


def test_the_package_says_what_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import coremltools as ct

    path = write(tmp_path / "folder" / "pose.mlpackage")
    assert capfd.readouterr().err == ""
    assert logging.root.manager.disable == logging.NOTSET
    description = ct.utils.load_spec(str(path)).description
    (image,) = description.input
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("image", 64, 96)
    assert image.type.imageType.colorSpace == image.type.imageType.ColorSpace.Value("RGB")
    shapes = {output.name: list(output.type.multiArrayType.shape) for output in description.output}
    assert shapes == {"keypoints": [1, 5, 2], "scores": [1, 5]}
    assert "4 right_ear" in description.output[0].shortDescription
    assert json.loads(description.metadata.userDefined["keypoints"]) == NAMES
    assert description.metadata.author.startswith("exported by ElifPose")
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["pose.mlpackage"]


def test_sixteen_bit_activations_stay_float(tmp_path: Path) -> None:
    images = some_images(2)
    network = small_network()
    prepare(network, QuantizationSpec(sixteen_bit_layers=("head.gau",)))
    calibrate(network, [images.float()])
    converted = convert(network)
    assert isinstance(converted, PoseEstimator)
    path = tmp_path / "pose.mlpackage"
    contract = CONTRACT._replace(outputs="simcc")
    write_coreml(converted, path, contract, "int8", CODEC, None, {**ABOUT, "calibration": None})
    answer = MilRunner(path)(images)
    assert answer.simcc is not None
    for logits, expected in zip(answer.simcc, converted(images.float()), strict=True):
        assert (logits - expected).abs().max() < 0.1 * (expected.max() - expected.min())


def test_a_package_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "pose.mlpackage"
    path.mkdir()
    (path / "diary.txt").write_text("mine")
    with pytest.raises(ElifPoseError, match="no Core ML package"):
        write(path)
    assert (path / "diary.txt").read_text() == "mine"
    with pytest.raises(ElifPoseError, match=r"ends in \.mlpackage"):
        write(tmp_path / "pose.onnx")


def test_a_missing_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elifpose.export.coreml.find_spec", lambda _name: None)
    with pytest.raises(ElifPoseError, match=r"pip install 'elifpose\[coreml\]'"):
        write(tmp_path / "pose.mlpackage")


def test_another_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes RGB"):
        write(tmp_path / "pose.mlpackage", contract=CONTRACT._replace(channels="BGR"))
