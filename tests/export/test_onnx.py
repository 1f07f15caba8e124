import copy
import logging
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from networks import settled
from torch import Tensor, nn

import elifpose
from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.biases import round_biases
from elifpose.export.contract import Contract, Precision, read_about, read_contract, rtmlib_contract
from elifpose.export.onnx import LAYER, OPSET, write_onnx
from elifpose.models import CSPNeXt, Neck, PoseEstimator, RTMCCHead
from elifpose.models.layers import Activation
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 96)
CODEC = SimCC(SIZE, refine=True)
CALIBRATION = ScoreCalibration(temperature=0.1, offset=0.2)
SIMCC = Contract(SIZE, 2.0, "simcc", normalised=False, channels="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)
KEYPOINTS = SIMCC._replace(outputs="keypoints")
RTMLIB = rtmlib_contract(SIZE, 2.0)
BATCHES = (1, 3, 64)

Array = npt.NDArray[Any]
Write = Callable[[Precision, Contract], Path]
needs_export = pytest.mark.skipif(
    any(util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs elifpose[export]",
)


def _images(count: int, width: int, height: int) -> Tensor:
    """Coloured squares: of mere noise a network says much the same, whatever the noise."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (count, 3, height // 16, width // 16), dtype=torch.uint8, generator=generator)
    return colours.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)


IMAGES = _images(64, *SIZE)


def _small_network(activation: Activation = "SiLU") -> PoseEstimator:
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, activation, out_stages=(2,))
    head = RTMCCHead(
        backbone.out_channels[-1], 5, SIZE, stride=8, hidden_dims=32, attention_dims=16, activation=activation
    )
    return settled(PoseEstimator(backbone, head), IMAGES[:8])


def _integers(network: PoseEstimator, **options: Any) -> PoseEstimator:
    quantized = copy.deepcopy(network)
    prepare(quantized, QuantizationSpec(**options))
    calibrate(quantized, [IMAGES[:16]])
    integers = cast("PoseEstimator", convert(quantized))
    round_biases(integers)
    return integers


def _run(path: Path, images: Array, optimized: Path | None = None) -> list[Tensor]:
    import onnxruntime  # type: ignore[import-not-found, unused-ignore]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(array) for array in session.run(None, {"images": images})]


def _logits(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        x, y = network(images)
    return x, y


def _distances(network: nn.Module, images: Tensor, keypoints: Tensor) -> Tensor:
    distances: Tensor = torch.linalg.vector_norm(keypoints - CODEC.decode(*_logits(network, images))[0], dim=-1)
    return distances


def _assert_near(outputs: list[Tensor], expected: tuple[Tensor, Tensor], bound: float) -> None:
    for output, logits in zip(outputs, expected, strict=True):
        assert output.dtype == torch.float32
        assert (output - logits).abs().max() <= bound * (logits.max() - logits.min())


def _assert_like(outputs: list[Tensor], expected: tuple[Tensor, Tensor]) -> None:
    """Integers of onnxruntime round differently here and there."""
    for output, logits in zip(outputs, expected, strict=True):
        assert (output - logits).std() < 0.1 * logits.std()


def _as_rtmlib_feeds(images: Tensor) -> Array:
    """OpenCV's images, blue first, minus and over the figures of red, green, blue in that order."""
    bgr = images.numpy()[:, ::-1].transpose(0, 2, 3, 1)
    fed = (bgr - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    return np.ascontiguousarray(fed.transpose(0, 3, 1, 2), np.float32)


def _load(path: Path) -> Any:
    import onnx  # type: ignore[import-not-found, unused-ignore]

    return onnx.load(path)


@pytest.fixture(scope="module")
def network() -> PoseEstimator:
    return _small_network()


@pytest.fixture(scope="module")
def integers() -> PoseEstimator:
    return _integers(_small_network("ReLU"))


@pytest.fixture(scope="module")
def written(network: PoseEstimator, integers: PoseEstimator, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes each file once."""
    files: dict[tuple[Precision, Contract], Path] = {}

    def write(precision: Precision, contract: Contract) -> Path:
        if (precision, contract) not in files:
            path = tmp_path_factory.mktemp("onnx") / "new" / "pose.onnx"
            of = integers if precision == "int8" else network
            write_onnx(of, path, contract, precision, CODEC, CALIBRATION, {"facts": {"epoch": 1}})
            files[precision, contract] = path
        return files[precision, contract]

    return write


@needs_export
@pytest.mark.parametrize("count", BATCHES)
def test_logits_are_the_network_s(count: int, written: Write, network: PoseEstimator) -> None:
    outputs = _run(written("float32", SIMCC), IMAGES[:count].float().numpy())
    _assert_near(outputs, _logits(network, IMAGES[:count]), 1e-4)


@needs_export
@pytest.mark.parametrize("count", BATCHES)
def test_bytes_become_keypoints_and_probabilities(count: int, written: Write, network: PoseEstimator) -> None:
    keypoints, scores = _run(written("float32", KEYPOINTS), IMAGES[:count].numpy())
    expected = CALIBRATION(CODEC.decode(*_logits(network, IMAGES[:count]))[1])
    assert keypoints.dtype == scores.dtype == torch.float32
    assert _distances(network, IMAGES[:count], keypoints).max() <= 0.02
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-5)


@needs_export
def test_half_precision_is_stored_so_and_moves_keypoints_by_less_than_a_tenth_of_a_pixel(
    written: Write, network: PoseEstimator
) -> None:
    path = written("float16", SIMCC)
    logits = _run(path, IMAGES.float().numpy())
    _assert_near(logits, _logits(network, IMAGES), 0.01)
    assert _distances(network, IMAGES, CODEC.decode(*logits)[0]).mean() <= 0.1
    large = [tensor for tensor in _load(path).graph.initializer if np.prod(tensor.dims) >= 1024]
    assert len(large) > 10
    assert {tensor.data_type for tensor in large} == {10}  # ONNX's number of float16


@needs_export
@pytest.mark.parametrize("count", BATCHES)
def test_integers_take_what_rtmlib_feeds(count: int, written: Write, integers: PoseEstimator) -> None:
    outputs = _run(written("int8", RTMLIB), _as_rtmlib_feeds(IMAGES[:count]))
    _assert_like(outputs, _logits(integers, IMAGES[:count]))


@needs_export
@pytest.mark.parametrize("sixteen", [False, True])
def test_every_convolution_runs_in_integers(
    sixteen: bool, written: Write, integers: PoseEstimator, tmp_path: Path
) -> None:
    path, optimized = tmp_path / "pose.onnx", tmp_path / "optimized.onnx"
    if sixteen:
        integers = _integers(_small_network("ReLU"), sixteen_bit_layers=("head.gau",))
        write_onnx(integers, path, SIMCC, "int8", CODEC, None, {})
        _assert_like(_run(path, IMAGES[:3].float().numpy(), optimized), _logits(integers, IMAGES[:3]))
    else:
        _run(written("int8", RTMLIB), _as_rtmlib_feeds(IMAGES[:1]), optimized)
    operators = [node.op_type for node in _load(optimized).graph.node]
    assert operators.count("QLinearConv") == sum(isinstance(module, nn.Conv2d) for module in integers.modules())
    assert not {"Conv", "FusedConv", "NchwcConv"} & set(operators)


@needs_export
@pytest.mark.parametrize(
    ("precision", "contract", "names"),
    [
        ("float32", KEYPOINTS, ["images", "keypoints", "scores"]),
        ("float16", SIMCC, ["images", "simcc_x", "simcc_y"]),
        ("int8", RTMLIB, ["images", "simcc_x", "simcc_y"]),
    ],
)
def test_the_file_is_valid_onnx_of_the_stated_opset_and_of_no_other_domain(
    precision: Precision, contract: Contract, names: list[str], written: Write
) -> None:
    import onnx

    model = _load(written(precision, contract))
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert [of.name for of in (*model.graph.input, *model.graph.output)] == names


@needs_export
def test_the_file_says_what_it_is_and_nothing_of_this_machine(written: Write, network: PoseEstimator) -> None:
    path = written("float32", SIMCC)
    model = _load(path)
    stored = {entry.key: entry.value for entry in model.metadata_props}
    assert read_contract(stored, path) == SIMCC
    about = read_about(stored)
    assert about["facts"] == {"epoch": 1}
    assert about["versions"]["opset"] == OPSET
    assert (model.producer_name, model.producer_version) == ("elifpose", elifpose.__version__)
    content = path.read_bytes()
    assert str(Path(elifpose.__file__).parent).encode() not in content
    assert b"stack_trace" not in content
    layers = {entry.value for node in model.graph.node for entry in node.metadata_props if entry.key == LAYER}
    modules = {name for name, _ in network.named_modules()}
    assert {"backbone.stem.0.bn", "head.gau.uv", "head.cls_x"} <= layers <= modules


@needs_export
def test_the_same_network_gives_the_same_file_in_silence(
    written: Write,
    network: PoseEstimator,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected, path = written("float32", SIMCC).read_bytes(), tmp_path / "again.onnx"
    path.write_text("before")
    capfd.readouterr()
    with caplog.at_level(logging.INFO):
        write_onnx(network, path, SIMCC, "float32", CODEC, CALIBRATION, {"facts": {"epoch": 1}})
    assert path.read_bytes() == expected
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


class Branching(nn.Module):
    """A neck that depends on what it sees, which no file can."""

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return maps if maps[-1].sum() > 0 else tuple(-of for of in maps)


@needs_export
def test_a_part_without_counterpart_is_one_sentence(
    network: PoseEstimator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = PoseEstimator(network.backbone, network.head, cast("Neck", Branching())).eval()
    disabled = logging.root.manager.disable
    with pytest.raises(ElifPoseError, match="cannot be written as ONNX") as caught:
        write_onnx(own, tmp_path / "pose.onnx", SIMCC, "float32", CODEC, None, {})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == disabled
    assert not list(tmp_path.iterdir())


@needs_export
def test_a_place_that_cannot_be_written_is_one_error(network: PoseEstimator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ElifPoseError, match=r"export .*file/pose\.onnx: cannot be written"):
        write_onnx(network, tmp_path / "file/pose.onnx", SIMCC, "float32", CODEC, None, {})
    assert (tmp_path / "file").read_text() == "kept"


def test_a_missing_package_says_how_to_install_it(
    network: PoseEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elifpose.export.onnx.find_spec", lambda _name: None)
    with pytest.raises(ElifPoseError, match=r"pip install 'elifpose\[export\]'"):
        write_onnx(network, tmp_path / "pose.onnx", SIMCC, "float32", CODEC, None, {})


@needs_export
def test_rtmpose_t_at_its_own_size_takes_what_rtmlib_feeds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = _images(3, 192, 256)
    network = settled(PoseEstimator(CSPNeXt(0.167, 0.375), RTMCCHead(384, 26, (192, 256))), images)
    path = tmp_path / "pose.onnx"
    write_onnx(network, path, rtmlib_contract((192, 256), 2.0), "float32", SimCC((192, 256)), None, {})
    for count in (1, 3):
        _assert_near(_run(path, _as_rtmlib_feeds(images[:count])), _logits(network, images[:count]), 1e-4)
