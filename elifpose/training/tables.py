"""Figures as tables for the terminal; they fit 80 columns."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.table import Table
from rich.text import Text

from elifpose.datasets.pose_set import RESERVED
from elifpose.evaluation.bootstrap import Interval
from elifpose.evaluation.per_keypoint import KeypointFigures
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.evaluation.settings import Evaluation
from elifpose.training.facts import RunFacts

SHORT_COLUMNS = ("AP", "AP50", "AP75", "AR", "PCK@0.1", "AUC", "EPE")
NOBODY = "no such people"
"""In the place of COCO's −1."""

_AVERAGE_PRECISION = (("AP", "AR"), ("AP50", "AR50"), ("AP75", "AR75"), ("AP(M)", "AR(M)"), ("AP(L)", "AR(L)"))


def set_table(name: str, evaluation: SetEvaluation, interval: Interval | None, facts: RunFacts) -> Table:
    """All figures of one data set, and what they were measured with.

    Args:
        name: The set's.
        evaluation: Of a set with annotated people.
        interval: Of AP, 95 %; None leaves it out.
        facts: How the predictions were made.
    """
    truth = evaluation.truth
    people, images = int((~truth.ignored).sum()), len(truth.image_ids)
    of_set = facts._replace(boxes={key: boxes for key, boxes in facts.boxes.items() if key == name})
    caption = [of_set.sentence(), judged_by(evaluation.settings, evaluation.from_detector)]
    if interval is not None:
        caption.append("in brackets the 95 % interval of AP: bootstrap over images")
    table = Table(
        title=Text(f"{name}: {people} people in {images} images"),
        caption=Text("\n".join(caption)),
        caption_justify="left",
        show_header=False,
    )
    for style in ("bold", None, "bold", None):
        table.add_column(style=style)
    for left, right in _AVERAGE_PRECISION:
        table.add_row(left, _cell(evaluation, left, interval), right, _cell(evaluation, right))
    table.add_section()
    shares = [key for key in evaluation.figures if key.startswith("PCK@")]
    for left, right in zip_longest(shares, ("AUC", "EPE", "NME"), fillvalue=""):
        table.add_row(left, left and _cell(evaluation, left), right, right and _cell(evaluation, right))
    return table


def _cell(evaluation: SetEvaluation, key: str, interval: Interval | None = None) -> Text:
    """A figure with its unit, or why there is none."""
    value = evaluation.figures[key]
    is_distance = key in ("AUC", "EPE", "NME") or key.startswith("PCK@")
    if value < 0:
        return Text("in annotated boxes only" if is_distance and evaluation.from_detector else NOBODY)
    nme = evaluation.settings.nme
    units = {
        "AUC": " up to 30 image pixels",
        "EPE": " image pixels",
        "NME": f" of {' – '.join(nme)}" if nme else " of the box's larger side",
    }
    bounds = f" [{interval.low:.3f}, {interval.high:.3f}]" if key == "AP" and interval is not None else ""
    return Text(f"{value:.3f}{bounds}{units.get(key, '')}")


def judged_by(settings: Evaluation, from_detector: bool) -> str:
    """What decides about detections' order and repetitions, in words."""
    above = f", keypoints above {settings.score_threshold:g}" if settings.score == "bbox_keypoint" else ""
    score = f"score: {settings.score}{above}"
    if not from_detector:
        return score
    if settings.nms == "none":
        return f"{score}; no OKS-NMS"
    how = "above" if settings.nms == "hard" else "of width"
    return f"{score}; {settings.nms} OKS-NMS {how} {settings.nms_threshold:g}"


def keypoint_table(name: str, keypoints: Sequence[KeypointFigures]) -> Table:
    """Figures of each keypoint of one data set; a column over nobody is left out, a figure over nobody is empty."""
    columns = {
        "AP": [_number(of.average_precision) for of in keypoints],
        "PCK@0.1": [_number(of.pck) for of in keypoints],
        "median error": [_number(of.median_error_input, ".2f") for of in keypoints],
        "swaps": [_number(of.swapped, ".1%") for of in keypoints],
    }
    shown = {heading: cells for heading, cells in columns.items() if any(cells)}
    notes = {"median error": "median error in input pixels", "swaps": "swaps: put where the other side's is"}
    caption = [note for heading, note in notes.items() if heading in shown]
    if "PCK@0.1" not in shown:
        caption = ["distances and swaps: for annotated boxes only"]
    table = Table(title=Text(f"{name}, per keypoint"), caption="; ".join(caption), caption_justify="left")
    table.add_column("keypoint")
    for heading in ("labelled", *shown):
        table.add_column(heading, justify="right")
    for of, *cells in zip(keypoints, *shown.values(), strict=True):
        table.add_row(Text(of.name), str(of.labelled), *cells)
    return table


def _number(value: float, form: str = ".3f") -> str:
    return format(value, form) if value >= 0 else ""


def short_table(figures: Mapping[str, Any], split: str) -> Table | None:
    """The figures ``<split>/<set>/<name>`` as a table with a row per data set; None if there are none."""
    tags = (key.split("/") for key in figures)
    sets = list(dict.fromkeys(tag[1] for tag in tags if tag[0] == split and len(tag) == 3))
    sets = [name for name in sets if name not in RESERVED]
    if not sets:
        return None
    table = Table(title=f"{split}: OKS average precision and distances", caption=f"EPE in image pixels; –: {NOBODY}")
    table.add_column("data set")
    for column in SHORT_COLUMNS:
        table.add_column(column, justify="right")
    for name in sets:
        values = (figures.get(f"{split}/{name}/{column}") for column in SHORT_COLUMNS)
        table.add_row(Text(name), *("–" if v is None or not v >= 0 else f"{float(v):.3f}" for v in values))
    return table
