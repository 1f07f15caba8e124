from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from elifpose.evaluation.per_keypoint import KeypointFigures
from elifpose.evaluation.settings import Evaluation
from elifpose.training.facts import RunFacts
from elifpose.training.tables import judged_by, keypoint_table, set_table, short_table


def printed(table: Table | None) -> str:
    """As on a terminal of 80 columns."""
    assert table is not None
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text, "nothing is cut"
    return text


def row(text: str, label: str) -> str:
    (line,) = (line for line in text.splitlines() if f" {label} " in line)
    return line


def test_a_set_shows_every_figure_beside_its_name(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge().evaluation
    interval = evaluation.interval(50)
    text = printed(set_table("coco", evaluation, interval, facts))
    assert "coco: 24 people in 12 images" in text
    for name, value in evaluation.figures.items():
        cells = [cell.strip() for cell in row(text, name).split("│")]
        cell = cells[cells.index(name) + 1]
        assert cell.startswith(f"{value:.3f}" if value >= 0 else "no such people"), name
    assert f"{evaluation.figures['AP']:.3f} [{interval.low:.3f}, {interval.high:.3f}]" in text
    assert row(text, "AP(M)").count("no such people") == 2
    assert "-1" not in text
    assert "image pixels" in row(text, "EPE")
    assert "box's larger side" in row(text, "NME")
    for fact in (
        "runs/last.ckpt",
        "averaged weights",
        "with flip test",
        "32-true",
        "annotated boxes",
        "bbox_keypoint",
    ):
        assert fact in " ".join(text.split()), fact


def test_the_pair_that_normalises_is_named(judge: Callable[..., Any], facts: RunFacts) -> None:
    settings = Evaluation(nme=("left_shoulder", "right_hip"), pck=(0.1, 0.2, 0.3, 0.4, 0.5), score="bbox_rle")
    text = printed(set_table("coco", judge(settings=settings).evaluation, None, facts))
    assert "left_shoulder" in text
    assert "right_hip" in text
    assert "PCK@0.5" in text
    assert "bbox_rle" in text
    assert "interval" not in text


def test_distances_in_a_detectors_boxes_are_explained(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge(from_detector=True).evaluation
    text = printed(set_table("coco", evaluation, None, facts))
    assert "in annotated boxes only" in row(text, "EPE")
    assert "hard OKS-NMS above 0.9" in text
    by_keypoint = printed(keypoint_table("coco", evaluation.per_keypoint))
    assert "PCK" not in by_keypoint
    assert "AP" in by_keypoint


def test_what_suppresses_is_said() -> None:
    assert "NMS" not in judged_by(Evaluation(), from_detector=False)
    assert judged_by(Evaluation(nms="none"), from_detector=True).endswith("no OKS-NMS")
    assert "soft OKS-NMS" in judged_by(Evaluation(nms="soft"), from_detector=True)
    assert "above 0.3" in judged_by(Evaluation(score_threshold=0.3), from_detector=False)
    assert "above" not in judged_by(Evaluation(score="bbox"), from_detector=False)


def test_each_keypoint_has_a_row() -> None:
    keypoints = [
        KeypointFigures("nose", 20, 0.5, 0.25, 3.141, -1.0),
        KeypointFigures("left_big_toe", 0, -1.0, -1.0, -1.0, -1.0),
        KeypointFigures("left_ankle", 7, 0.625, 1.0, 2.0, 0.125),
    ]
    text = printed(keypoint_table("a set [with brackets]", keypoints))
    assert "a set [with brackets]" in text
    assert row(text, "nose").replace("│", " ").split() == ["nose", "20", "0.500", "0.250", "3.14"]
    assert row(text, "left_big_toe").replace("│", " ").split() == ["left_big_toe", "0"]
    assert row(text, "left_ankle").replace("│", " ").split() == ["left_ankle", "7", "0.625", "1.000", "2.00", "12.5%"]


def test_in_a_fit_each_set_has_one_row() -> None:
    figures = {"val/AP": 0.5, "val/coco/AP": 0.25, "val/coco/EPE": 12.3456, "val/coco_wholebody/AP": 0.75}
    text = printed(short_table(figures, "val"))
    assert "0.250" in row(text, "coco")
    assert "12.346" in row(text, "coco")
    assert "0.750" in row(text, "coco_wholebody")


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_in_a_fit_nobody_is_a_dash_that_is_explained(value: float) -> None:
    text = printed(short_table({"val/coco/AP": value}, "val"))
    assert "-1" not in text
    assert "nan" not in text
    assert "–: no such people" in text


def test_nothing_measured_is_no_table() -> None:
    assert short_table({"train/loss": 1.0, "val/coco/AP": 0.5}, "test") is None


def test_in_a_fit_what_is_measured_beside_the_network_is_no_data_set() -> None:
    text = printed(short_table({"val/coco/AP": 0.5, "val/int8/AP": 0.4, "val/float/AP": 0.45}, "val"))
    assert "coco" in text
    assert "int8" not in text
    assert "float" not in text
