"""An exported file evaluated in place of its network, as a user would type it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.cli import main
from elifpose.codecs.simcc import SimCC
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.training.artefact import Artefact
from elifpose.utils.errors import ElifPoseError

for _package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_package, reason="needs elifpose[export]")

Options = Callable[[Path, Path], list[str]]
CODEC = SimCC((96, 128))


@pytest.fixture(scope="module")
def checkpoint(fitted: Path) -> Path:
    return next(fitted.rglob("last.ckpt"))


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "pose.onnx"
    assert main(["export", "--ckpt_path", str(checkpoint), "--out", str(out), "--no_check"]) == 0
    return out


def run(command: str, path: Path, of_fit: list[str], folder: Path) -> Path:
    """The folder of what an evaluation wrote."""
    assert main([command, *of_fit, "--trainer.default_root_dir", str(folder), "--ckpt_path", str(path)]) == 0
    return folder / "lightning_logs/version_0"


def test_a_file_has_its_networks_figures(
    checkpoint: Path, exported: Path, options: Options, rendered: Path, tmp_path: Path
) -> None:
    # What hardly depends on the picture is symmetric in the flip test: two peaks alike, and rounding chooses.
    of_fit = [*options(rendered, tmp_path), "--report.bootstrap=0", "--model.flip_test=false"]
    network, file = (
        json.loads((run("validate", path, of_fit, tmp_path / path.suffix) / "metrics.json").read_text())
        for path in (checkpoint, exported)
    )
    assert file["facts"]["network"] == "float32 ONNX"
    assert file["facts"]["checkpoint"] == str(exported)
    assert file["facts"]["flip_test"] is network["facts"]["flip_test"] is False
    figures, expected = (of["sets"]["synthetic"]["figures"] for of in (file, network))
    assert figures.keys() == expected.keys()
    measured = {name: figure for name, figure in expected.items() if figure is not None}
    assert {name: figures[name] for name in measured} == pytest.approx(measured, rel=1e-4, abs=1e-6, nan_ok=True)
    assert figures["EPE"] > 0


def test_a_file_predicts_what_its_network_predicts(
    checkpoint: Path, exported: Path, options: Options, rendered: Path, tmp_path: Path
) -> None:
    of_fit = options(rendered, tmp_path)
    network, file = (
        json.loads((run("predict", path, of_fit, tmp_path / path.suffix) / "synthetic_predictions.json").read_text())
        for path in (checkpoint, exported)
    )
    assert file["info"]["network"] == "float32 ONNX"
    assert file["info"]["flip_test"] is network["info"]["flip_test"] is True
    assert len(file["annotations"]) == 9
    ours, theirs = (np.array([of["keypoints"] for of in document["annotations"]]) for document in (network, file))
    assert (abs(ours - theirs) < 1e-2).mean() > 0.97  # some have two equal peaks, and jump


@pytest.mark.parametrize("words", [("--precision=int8",), ("--weights=trained",)])
def test_a_file_is_what_it_is(
    words: tuple[str, ...],
    exported: Path,
    options: Options,
    rendered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["validate", *options(rendered, tmp_path), "--ckpt_path", str(exported), *words]) == 1
    assert "leave --precision and --weights out" in capsys.readouterr().err


def test_keypoints_have_no_flip_test(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Artefact(exported, HALPE26, CODEC, flip_test=True).flip_test
    assert not Artefact(exported, HALPE26, CODEC, flip_test=False).flip_test
    only = _Runner({"keypoints": list(HALPE26.keypoints)}, "keypoints")
    monkeypatch.setattr("elifpose.training.artefact.OnnxRunner", lambda _path: only)
    assert not Artefact(exported, HALPE26, CODEC, flip_test=True).flip_test


class _Runner:
    """What of a runner is looked at."""

    def __init__(self, skeleton: dict[str, Any], outputs: str) -> None:
        self.about = {"skeleton": skeleton, "precision": "int8"}
        self.contract = type("Contract", (), {"input_size": (96, 128), "outputs": outputs})


def test_another_networks_file_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="answers with 26 keypoints, other than those of 'coco17'"):
        Artefact(exported, COCO17, CODEC, flip_test=True)
    with pytest.raises(ElifPoseError, match=r"takes crops of \(96, 128\) pixels.*\(192, 256\)"):
        Artefact(exported, HALPE26, SimCC((192, 256)), flip_test=True)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(exported.read_bytes()[:2000])
    for path in (cut, tmp_path / "missing.onnx"):
        with pytest.raises(ElifPoseError, match=path.name):
            Artefact(path, HALPE26, CODEC, flip_test=True)
