import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, Precision
from elifpose.export.coreml import write_coreml
from elifpose.export.mil_operations import OPERATIONS
from elifpose.export.mil_runner import MilRunner
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.utils.errors import ElifPoseError

pytestmark = [
    pytest.mark.skipif(find_spec("coremltools") is None, reason="needs elifpose[coreml]"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # coremltools on NumPy 2
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # a folder that it leaves behind
]
CODEC = SimCC((64, 96), refine=True)
ABOUT = {
    "skeleton": {"name": "five", "keypoints": list("abcde")},
    "codec": CODEC.arguments(),
    "calibration": None,
    "checkpoint": {"name": "best.ckpt", "sha256": "0" * 64},
}


def package(path: Path, precision: Precision) -> PoseEstimator:
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, "SiLU", out_stages=(3,))
    head = RTMCCHead(backbone.out_channels[-1], 5, (64, 96), stride=16, hidden_dims=32, attention_dims=16)
    network = PoseEstimator(backbone, head).eval()
    with torch.no_grad():  # values as large as a trained network's: fresh ones drown in the rounding of 16 bits
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(std=(2 / weight[0].numel()) ** 0.5)
            else:
                weight.uniform_(0.5, 1.5)
    contract = Contract((64, 96), 2.0, "keypoints", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    write_coreml(network, path, contract, precision, CODEC, None, ABOUT)
    return network


@pytest.mark.parametrize(("precision", "allowed_px"), [("float32", 1e-3), ("float16", 0.5)])
def test_a_package_answers_as_its_network(tmp_path: Path, precision: Precision, allowed_px: float) -> None:
    path = tmp_path / "pose.mlpackage"
    network = package(path, precision)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 96, 64), generator=generator, dtype=torch.uint8)
    runner = MilRunner(path)
    assert runner.contract.input_size == (64, 96)
    assert runner.about["skeleton"]["keypoints"] == list("abcde")
    answer = runner(images)
    with torch.inference_mode():
        keypoints, scores = CODEC.decode(*network(images.float()))
    assert (answer.keypoints_input - keypoints).abs().mean() < allowed_px
    torch.testing.assert_close(answer.scores, scores, rtol=0.02, atol=0.01)


def test_damaged_packages_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="there is no Core ML package"):
        MilRunner(tmp_path / "none.mlpackage")
    path = tmp_path / "pose.mlpackage"
    package(path, "float32")
    shutil.rmtree(path / "Data" / "com.apple.CoreML" / "weights")
    with pytest.raises(ElifPoseError, match="export it again"):
        MilRunner(path)


def test_an_unknown_operation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pose.mlpackage"
    package(path, "float32")
    monkeypatch.delitem(OPERATIONS, "silu")
    with pytest.raises(ElifPoseError, match="operations silu are not interpreted"):
        MilRunner(path)


def test_a_norm_of_16_bits_overflows_as_its_squares_do() -> None:
    given = {"x": torch.tensor([[300.0, 1.0]]), "axes": [-1], "keep_dims": True}
    norm = OPERATIONS["reduce_l2_norm"]
    assert torch.isinf(norm({**given, "half": True}))  # type: ignore[arg-type]
    torch.testing.assert_close(norm({**given, "half": False}), torch.tensor([[90001.0**0.5]]))


def test_padding_is_top_bottom_left_right() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    weight = torch.arange(6.0).view(1, 1, 2, 3)
    given = {"x": x, "weight": weight, "pad_type": "custom", "pad": [1, 0, 0, 2]}
    given |= {"strides": [1, 1], "dilations": [1, 1], "groups": 1}
    padded = torch.zeros(1, 1, 4, 6)
    padded[..., 1:, :4] = x
    torch.testing.assert_close(OPERATIONS["conv"](given), F.conv2d(padded, weight))
