from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export import verdict
from elifpose.export.contract import Contract, Precision
from elifpose.export.parity import BOUNDS
from elifpose.export.request import Request
from elifpose.export.running import Answer, NetworkRunner
from elifpose.export.source import Source
from elifpose.export.verdict import LARGEST_AP_LOSS, judge, latency_ms
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)
CONTRACT = Contract(SIZE, 2.0, "simcc", False, "RGB", (0.0,) * 3, (1.0,) * 3)
CROPS = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Shifted:
    """Answers as a network, with keypoints moved to the right and without logits."""

    def __init__(self, network: NetworkRunner, by_px: float) -> None:
        self._network, self._by = network, torch.tensor([by_px, 0.0])
        self.sizes: list[int] = []

    def __call__(self, images: Tensor) -> Answer:
        self.sizes.append(len(images))
        keypoints_input, scores, _ = self._network(images)
        return Answer(keypoints_input + self._by, scores, None)


@pytest.fixture
def source() -> Source:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), RTMCCHead(64, 17, SIZE, hidden_dims=32, stride=16))
    return Source(Path("some.ckpt"), network.eval(), COCO17, SimCC(SIZE), None, "", {})


def crops() -> Iterator[Tensor]:
    yield CROPS


def judged(
    source: Source,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_px: float,
    precision: Precision = "float32",
    **more: Any,
) -> Path:
    """Judge what moves every keypoint; the file itself."""
    out = folder / "pose.mlpackage"
    out.mkdir()
    (out / "weights").write_bytes(b"0" * 2_500_000)
    runner = Shifted(NetworkRunner(source.network, source.codec), by_px)
    monkeypatch.setattr(verdict, "open_file", lambda _request: runner)
    monkeypatch.setattr(verdict, "_core_ml_note", lambda: "interpreted")
    judge(source.network, source, Request(out, "coreml", precision, CONTRACT), crops, **more)
    assert runner.sizes[0] == len(CROPS)
    return out


@pytest.mark.parametrize(
    ("precision", "by_px", "bound_px"),
    [("float32", 0.01, None), ("float32", 0.3, 0.4), ("float16", 0.09, None), ("int8", 0.4, None), ("int8", 2, 3.0)],
)
def test_what_is_near_enough_passes_and_leaves_a_golden_vector(
    precision: Precision,
    by_px: float,
    bound_px: float | None,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged(source, tmp_path, monkeypatch, by_px, precision, bound_px=bound_px)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "pose.golden.json",
        "pose.golden.png",
        "pose.mlpackage",
    ]
    told = " ".join(capsys.readouterr().out.split())
    assert f"2.50 MB, {precision}" in told
    assert "people, keypoints │ 3, 51" in told
    assert f"all, mean │ {by_px:.4f} px" in told
    assert "interpreted" in told


@pytest.mark.parametrize(
    ("precision", "by_px", "bound_px", "said"),
    [
        ("float32", 0.03, None, "largest distance of keypoints 0.03 px, allowed 0.02 px"),
        ("float32", 0.01, 0.005, "largest distance of keypoints 0.01 px, allowed 0.005 px"),
        ("float16", 0.2, None, "mean distance of keypoints 0.2 px, allowed 0.1 px"),
        ("int8", 0.6, None, "mean distance of keypoints 0.6 px, allowed 0.5 px"),
        ("int8", float("nan"), None, "mean distance of keypoints nan px"),
    ],
)
def test_what_is_too_far_is_an_error(
    precision: Precision,
    by_px: float,
    bound_px: float | None,
    said: str,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ElifPoseError, match=f"{said}.*; do not use .*pose.mlpackage"):
        judged(source, tmp_path, monkeypatch, by_px, precision, bound_px=bound_px)
    assert [file.name for file in tmp_path.iterdir()] == ["pose.mlpackage"]


@pytest.mark.parametrize(("lost", "passes"), [(-0.1, True), (LARGEST_AP_LOSS - 1e-6, True), (0.0051, False)])
def test_average_precision_may_not_suffer_on_any_set(
    lost: float,
    passes: bool,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measured(runner: object, *_rest: object) -> dict[str, float]:
        return {"first": 0.5, "second": 0.6 - (lost if isinstance(runner, Shifted) else 0.0)}

    monkeypatch.setattr(verdict, "average_precision", measured)
    if passes:
        judged(source, tmp_path, monkeypatch, 0.0, data=object())
    else:
        with pytest.raises(ElifPoseError, match=r"loses 0\.0051 AP against the network, allowed are 0\.005"):
            judged(source, tmp_path, monkeypatch, 0.0, data=object())
    assert f"AP, second │ {0.6 - lost:.4f}, of the float network 0.6000" in " ".join(capsys.readouterr().out.split())


def test_nobody_to_check_with_is_an_error(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Iterable[Tensor]:
        return iter(())

    runner = NetworkRunner(source.network, source.codec)
    monkeypatch.setattr(verdict, "open_file", lambda _request: runner)
    request = Request(tmp_path / "pose.onnx", "onnx", "float32", CONTRACT)
    with pytest.raises(ElifPoseError, match="no crop of a person"):
        judge(source.network, source, request, nobody)


def test_latency_is_the_median(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    ticks = iter(float(tick) for call in range(30) for tick in (call, call + (0.002 if call < 20 else 5.0)))
    monkeypatch.setattr("elifpose.export.verdict.time.perf_counter", lambda: next(ticks))
    assert latency_ms(NetworkRunner(source.network, source.codec), CROPS[:1]) == pytest.approx(2.0)


def test_bounds_are_asked_of_every_precision() -> None:
    assert all(min(bound.mean_px, bound.max_px) < 1 for bound in BOUNDS.values())
