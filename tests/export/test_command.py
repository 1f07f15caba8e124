import copy
import hashlib
import json
import re
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from elifpose.cli import main
from elifpose.export.onnx import write_onnx
from elifpose.export.onnx_runner import OnnxRunner, operations
from elifpose.export.people import rendered_people
from elifpose.export.running import NetworkRunner
from elifpose.export.source import load_source, write_safetensors
from elifpose.models import PoseEstimator, load_network
from elifpose.quantization import calibrate, is_prepared, prepare

for _package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_package, reason="needs elifpose[export]")

SIZE = (96, 128)
FEW = ("--people", "4")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of a table is broken."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def checkpoint(fitted: Path) -> Path:
    return next(fitted.rglob("last.ckpt"))


@pytest.fixture(scope="module")
def quantized(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, quantized."""
    source = load_source(checkpoint)
    prepare(source.network)
    calibrate(source.network, rendered_people(8, SIZE))
    path = tmp_path_factory.mktemp("quantized") / "quantized.safetensors"
    write_safetensors(source, path)
    return path


def export(checkpoint: Path, out: Path, *words: str) -> int:
    return main(["export", "--ckpt_path", str(checkpoint), "--out", str(out), *words])


def test_a_file_is_checked_on_the_data_of_a_configuration(
    checkpoint: Path,
    rendered: Path,
    options: Callable[[Path, Path], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new/pose.onnx"
    assert export(checkpoint, out, *options(rendered, tmp_path)) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "people, keypoints │ 9, 234" in told
    ours, theirs = re.findall(r"AP, \S+ │ ([\d.]+), of the float network ([\d.]+);", told)[0]
    assert ours == theirs
    runner, source = OnnxRunner(out), load_source(checkpoint)
    assert runner.about["checkpoint"] == {"name": "last.ckpt", "sha256": _sha256(checkpoint)}
    assert runner.about["facts"]["epoch"] == 0
    (crops,) = rendered_people(5, SIZE)
    answer, expected = runner(crops), NetworkRunner(source.network, source.codec)(crops)
    torch.testing.assert_close(answer.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_the_golden_vector_is_what_the_file_answers(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "pose.onnx"
    assert export(checkpoint, out, *FEW, "--outputs", "keypoints") == 0
    golden = json.loads((tmp_path / "pose.golden.json").read_text())
    assert golden["model_sha256"] == _sha256(out)
    picture = cv2.imread(str(tmp_path / "pose.golden.png"))
    assert picture is not None
    runner = OnnxRunner(out)
    answer = runner(torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1)[None])
    assert answer.simcc is None
    for name, (x, y), score in zip(
        runner.about["skeleton"]["keypoints"],
        answer.keypoints_input[0].tolist(),
        answer.scores[0].tolist(),
        strict=True,
    ):
        assert golden["keypoints"][name] == pytest.approx({"x": x, "y": y, "score": score}, abs=1e-3)


def test_half_precision_and_no_check(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pose.onnx"
    assert export(checkpoint, out, "--precision", "float16", "--no_check") == 0
    assert OnnxRunner(out).about["precision"] == "float16"
    assert capsys.readouterr().out == f"Written: {out}\n"
    assert list(tmp_path.iterdir()) == [out]


def test_the_preset_says_what_to_paste(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pose.onnx"
    assert export(checkpoint, out, "--preset", "rtmlib", "--no_check") == 0
    contract = OnnxRunner(out).contract
    assert (contract.channels, contract.normalised, contract.outputs) == ("BGR", True, "simcc")
    (mode,) = re.findall(r'mode = "(.*)"', capsys.readouterr().out)
    assert json.loads(mode.replace("'", '"')) == {
        "det_class": "YOLOX",
        "det_model": "DETECTOR.onnx",
        "det_input_size": [640, 640],
        "pose_class": "RTMPose",
        "pose_model": str(out),
        "pose_input_size": list(SIZE),
    }


def test_a_quantized_checkpoint_becomes_integers(
    quantized: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pose.onnx"
    assert export(quantized, out, *FEW) == 0
    counted = operations(out)
    assert counted["QLinearConv"] > 15
    assert not counted["Conv"]
    assert OnnxRunner(out).about["precision"] == "int8"
    assert "int8" in capsys.readouterr().out


def test_training_people_make_a_float_checkpoint_int8(
    checkpoint: Path, rendered: Path, options: Callable[[Path, Path], list[str]], tmp_path: Path
) -> None:
    out = tmp_path / "pose.onnx"
    words = ("--int8", "calibrate", "--no_check", *options(rendered, tmp_path))
    assert export(checkpoint, out, *words) == 0
    assert operations(out)["QLinearConv"] > 15


def test_a_file_that_answers_otherwise_fails_with_its_worst_layer(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write_wrongly(network: PoseEstimator, *rest: Any) -> None:
        wrong = copy.deepcopy(network)
        wrong.head.final_layer.weight.data *= 1.1
        write_onnx(wrong, *rest)

    monkeypatch.setattr("elifpose.export.command.write_onnx", write_wrongly)
    out = tmp_path / "pose.onnx"
    assert export(checkpoint, out, *FEW) == 1
    told = capsys.readouterr().err
    assert "the exported file does not answer as its network, on 4 people" in told
    assert re.search(rf"the worst layer is head.final_layer, 20 dB; do not use {out}", told)
    assert not (tmp_path / "pose.golden.json").exists()


@pytest.mark.parametrize("of", ["checkpoint", "quantized"])
def test_a_network_file_is_read_again(of: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path, out = request.getfixturevalue(of), tmp_path / "network.safetensors"
    assert export(path, out) == 0
    (crops,) = rendered_people(2, SIZE)
    expected, found = (load_source(file).network for file in (path, out))
    assert is_prepared(found) == (of == "quantized")
    for first, second in zip(expected(crops), found(crops), strict=True):
        assert torch.equal(first, second)


def test_a_checkpoint_is_fetched(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted, out = tmp_path / "here/last.ckpt", tmp_path / "pose.safetensors"
    mirrors = ("--mirrors", str(tmp_path), str(checkpoint.parent))
    assert export(wanted, out, *mirrors) == 1
    assert "give --sha256 of last.ckpt" in capsys.readouterr().err
    assert export(wanted, out, *mirrors, "--sha256", _sha256(checkpoint)) == 0
    assert wanted.read_bytes() == checkpoint.read_bytes()
    load_network(out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "pose.tflite"), "must end in one of .onnx, .mlpackage, .safetensors"),
        (("--int8", "calibrate"), "--int8 calibrate needs training people: give the --config"),
        (("--int8", "calibrate", "--precision", "float16"), "exclude each other"),
        (("--precision", "int8"), "is of a float network; give --int8 calibrate"),
        (("--preset", "rtmlib", "--outputs", "keypoints"), "--preset rtmlib is an ONNX file"),
        (("--preset", "rtmlib", "--format", "coreml"), "--preset rtmlib is an ONNX file"),
        (("--people", "0"), "--people must be at least 1, not 0"),
        (("--skeleton", "coco17"), "has 26 keypoints, and the skeleton 'coco17' has 17"),
        (("--ckpt_path", "last"), "--ckpt_path last: give a checkpoint's file"),
        (("--ckpt_path", "pose.onnx"), "--ckpt_path pose.onnx: give a checkpoint's file"),
        (("--out", "{file}/pose.onnx"), "cannot be written"),
        (("--out", "{file}/pose.safetensors"), "cannot be written"),
        (("--out", "pose.safetensors", "--precision", "float16"), "--precision: a network file keeps"),
        (("--out", "pose.safetensors", "--outputs", "keypoints"), "--outputs: a network file keeps"),
        (("--out", "pose.safetensors", "--int8", "calibrate"), "--int8: a network file keeps"),
        (("--config", "{quickstart}", "--model.codec.input_size=[64, 64]"), "makes crops of (64, 64) pixels"),
    ],
)
def test_wishes_that_cannot_be_met_are_told_in_a_sentence(
    words: tuple[str, ...],
    said: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    known = {"file": tmp_path / "file", "quickstart": Path(__file__).parents[2] / "configs/quickstart.yaml"}
    assert export(checkpoint, Path("pose.onnx"), *(word.format(**known) for word in words)) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_options_of_the_data_need_their_configuration(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        export(checkpoint, Path("pose.onnx"), "--data.root=data")
    assert stopped.value.code == 2
    assert "--data.root=data; options of the data need --config" in capsys.readouterr().err


class _Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self._path), "w")


def test_files_that_are_no_checkpoint_are_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil, cut, out = tmp_path / "evil.ckpt", tmp_path / "cut.ckpt", tmp_path / "pose.onnx"
    torch.save({"state_dict": {}, "evil": _Touch(tmp_path / "touched")}, evil)
    cut.write_bytes(checkpoint.read_bytes()[:5000])
    for path in (evil, cut, tmp_path / "missing.ckpt"):
        assert export(path, out) == 1
        assert path.name in capsys.readouterr().err
    assert not (tmp_path / "touched").exists()
    assert not out.exists()


def test_a_missing_package_is_named_before_anything_is_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "elifpose.export.onnx.find_spec", lambda name: None if name == "onnx" else util.find_spec(name)
    )
    assert export(checkpoint, tmp_path / "pose.onnx") == 1
    assert "pip install 'elifpose[export]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["export", "--help"])
    assert not stopped.value.code
    assert "--preset rtmlib" in capsys.readouterr().out


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
