import sys
from pathlib import Path

import pytest
import torch

from elifpose.export.contract import Contract, metadata, rtmlib_contract
from elifpose.export.onnx_runner import OnnxRunner, operations
from elifpose.utils.errors import ElifPoseError

onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
pytest.importorskip("onnxruntime", reason="needs elifpose[export]")

WIDTH, HEIGHT = 6, 8
RAW = Contract((WIDTH, HEIGHT), 1.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CODEC = {"input_size": [WIDTH, HEIGHT], "split_ratio": 1.0}
CROPS = torch.randint(0, 256, (5, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def write(path: Path, contract: Contract | None) -> Path:
    """A file that gives back what it is fed: the first row and column of each channel, or numbers of the first rows.

    As SimCC, channels are keypoints, the first row their logits along x and the first column those along y.
    """
    from onnx import TensorProto, helper, numpy_helper

    integers = contract is not None and contract.outputs == "keypoints"
    element_type = TensorProto.UINT8 if integers else TensorProto.FLOAT
    names = ("keypoints", "scores") if integers else ("simcc_x", "simcc_y")
    nodes = [helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT)]
    if integers:
        nodes += [
            helper.make_node("Gather", ["values", "zero"], ["row"], axis=2),
            helper.make_node("Gather", ["row", "first_two"], ["keypoints"], axis=2),
            helper.make_node("Gather", ["row", "two"], ["scores"], axis=2),
        ]
    else:
        nodes += [
            helper.make_node("Gather", ["values", "zero"], ["simcc_x"], axis=2),
            helper.make_node("Gather", ["values", "zero"], ["simcc_y"], axis=3),
        ]
    constants = {"zero": torch.tensor(0), "two": torch.tensor(2), "first_two": torch.tensor([0, 1])}
    graph = helper.make_graph(
        nodes,
        "echo",
        [helper.make_tensor_value_info("images", element_type, ["N", 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    if contract is not None:
        helper.set_model_props(model, metadata(contract, {"codec": CODEC, "calibration": None}))
    onnx.save(model, path)
    return path


def test_raw_images_are_fed_as_floats_and_logits_are_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "echo.onnx", RAW)
    runner = OnnxRunner(path, threads=1)
    answer = runner(CROPS)
    assert answer.simcc is not None
    torch.testing.assert_close(answer.simcc[0], CROPS[:, :, 0].float(), rtol=0, atol=0)
    torch.testing.assert_close(answer.simcc[1], CROPS[:, :, :, 0].float(), rtol=0, atol=0)
    assert answer.keypoints_input[..., 0].tolist() == CROPS[:, :, 0].argmax(-1).tolist()
    assert answer.keypoints_input[..., 1].tolist() == CROPS[:, :, :, 0].argmax(-1).tolist()
    assert torch.equal(answer.scores, torch.minimum(CROPS[:, :, 0].amax(-1), CROPS[:, :, :, 0].amax(-1)).float())
    assert (runner.contract, runner.about["calibration"]) == (RAW, None)


def test_rtmlibs_files_are_fed_as_rtmlib_feeds_them(tmp_path: Path) -> None:
    """Blue first, and from it the mean of red."""
    runner = OnnxRunner(write(tmp_path / "echo.onnx", rtmlib_contract((WIDTH, HEIGHT), 1.0)))
    simcc = runner(CROPS).simcc
    assert simcc is not None
    blue, red = CROPS[:, 2, 0].double(), CROPS[:, 0, 0].double()
    torch.testing.assert_close(simcc[0][:, 0].double(), (blue - 123.675) / 58.395, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(simcc[0][:, 2].double(), (red - 103.53) / 57.375, rtol=1e-6, atol=1e-6)


def test_a_file_of_keypoints_takes_bytes_and_has_no_logits(tmp_path: Path) -> None:
    answer = OnnxRunner(write(tmp_path / "echo.onnx", RAW._replace(outputs="keypoints")))(CROPS)
    assert answer.simcc is None
    assert torch.equal(answer.keypoints_input, CROPS[:, :, 0, :2].float())
    assert torch.equal(answer.scores, CROPS[:, :, 0, 2].float())


def test_operations_are_counted(tmp_path: Path) -> None:
    assert operations(write(tmp_path / "echo.onnx", RAW))["Gather"] == 2


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("absent.onnx", "check the path"),
        ("folder", "check the path"),
        ("text.onnx", "export it again"),
        ("cut.onnx", "export it again"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "cut.onnx").write_bytes(write(tmp_path / "echo.onnx", RAW).read_bytes()[:-40])
    for read in (OnnxRunner, operations):
        with pytest.raises(ElifPoseError, match=f"{name}.*{remedy}"):
            read(tmp_path / name)


def test_a_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match=r"other\.onnx.*not exported by ElifPose"):
        OnnxRunner(write(tmp_path / "other.onnx", None))


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "echo.onnx", RAW)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ElifPoseError, match=r"pip install 'elifpose\[export\]'"):
        OnnxRunner(path)
