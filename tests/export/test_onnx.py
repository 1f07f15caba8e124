from importlib import util
from pathlib import Path

import pytest
import torch

from elifpose.export.onnx import export_onnx
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.utils.errors import ElifPoseError


@pytest.fixture
def network() -> PoseEstimator:

    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, "ReLU", out_stages=(3,))
    head = RTMCCHead(
        backbone.out_channels[-1], 5, (64, 96), stride=16, hidden_dims=32, attention_dims=16, activation="ReLU"
    )
    return PoseEstimator(backbone, head).eval()


def test_a_missing_package_says_how_to_install_it(
    network: PoseEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elifpose.export.onnx.find_spec", lambda _name: None)
    with pytest.raises(ElifPoseError, match=r"pip install 'elifpose\[export\]'"):
        export_onnx(network, tmp_path / "network.onnx", (64, 96))


@pytest.mark.skipif(
    any(util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs elifpose[export]",
)
@pytest.mark.filterwarnings("ignore:.*LeafSpec")
@pytest.mark.parametrize("sixteen", [(), ("head.gau",)])
def test_every_convolution_runs_in_integers(network: PoseEstimator, tmp_path: Path, sixteen: tuple[str, ...]) -> None:
    import numpy as np
    import onnx  # type: ignore[import-not-found, unused-ignore]
    import onnxruntime  # type: ignore[import-not-found, unused-ignore]

    images = torch.randint(0, 256, (3, 3, 96, 64), generator=torch.Generator().manual_seed(0)).float()
    prepare(network, QuantizationSpec(sixteen_bit_layers=sixteen))
    calibrate(network, [images])
    converted = convert(network)
    path, optimized = tmp_path / "folder" / "network.onnx", tmp_path / "optimized.onnx"
    export_onnx(converted, path, (64, 96))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimized)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        outputs = session.run(None, {"images": images[:count].numpy()})
        for output, expected in zip(outputs, converted(images[:count]), strict=True):
            assert np.std(output - expected.numpy()) < 0.1 * float(expected.std())
    operators = [node.op_type for node in onnx.load(optimized).graph.node]
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert operators.count("QLinearConv") == convolutions
    assert not {"Conv", "FusedConv", "NchwcConv"} & set(operators)
