from rich.console import Console

from elifpose.training.callbacks.report import figures_table


def printed(figures: dict[str, float], split: str) -> str:
    table = figures_table(figures, split)
    assert table is not None
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_each_set_has_a_row_that_fits_a_narrow_terminal() -> None:
    figures = {"val/AP": 0.5, "val/coco/AP": 0.25, "val/coco/EPE": 12.3456, "val/coco_wholebody/AP": 0.75}
    text = printed(figures, "val")
    (coco,) = (line for line in text.splitlines() if " coco " in line)
    assert "0.250" in coco
    assert "12.346" in coco
    assert "coco_wholebody" in text
    assert "…" not in text


def test_what_could_not_be_measured_is_a_dash() -> None:
    text = printed({"val/coco/AP": -1.0, "val/coco/EPE": float("nan")}, "val")
    assert "-1" not in text
    assert "nan" not in text


def test_nothing_measured_is_no_table() -> None:
    assert figures_table({"train/loss": 1.0, "val/coco/AP": 0.5}, "test") is None
