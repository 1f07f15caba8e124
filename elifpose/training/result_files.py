"""What an evaluation leaves on disk: figures, and detections as COCO results."""

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elifpose.evaluation.bootstrap import Interval
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.training.facts import RunFacts
from elifpose.utils.errors import ElifPoseError

PER_KEYPOINT_COLUMNS = ("set", "keypoint", "labelled", "AP", "PCK@0.1", "median_error_input", "swapped")


def file_name(set_name: str, ending: str) -> str:
    """The name of a set's file, such as ``coco_results.json``."""
    return f"{set_name.replace('/', '_')}_{ending}"


def write_files(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write texts by file name, each in one step: nobody ever finds half a file.

    Raises:
        ElifPoseError: If the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / name, text) for name, text in contents.items()]
    except OSError as error:
        raise ElifPoseError(
            f"results cannot be written to {folder}: {error.strerror}; make room there, or give another"
            " --trainer.default_root_dir"
        ) from error


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        return temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def metrics_json(
    facts: RunFacts, evaluations: Mapping[str, SetEvaluation], intervals: Mapping[str, Interval], replicates: int
) -> str:
    """All figures of all sets as JSON: ``{"facts": …, "sets": {name: {"figures": …, "AP_interval": …, …}}}``.

    A figure over nobody, or one that is not finite, is null; a set without annotated people has no figures. Of
    ``people``, ``ignored`` are crowds and those without labelled keypoints, and ``kept`` are the predicted ones that
    OKS-NMS left.

    Args:
        facts: How the predictions were made.
        evaluations: By data set.
        intervals: Of AP, 95 %, by data set; those of ``evaluations`` or fewer.
        replicates: How many draws the intervals are of.
    """
    sets = {
        name: {"boxes": facts.boxes.get(name), **_set_document(evaluation, intervals.get(name), replicates)}
        for name, evaluation in evaluations.items()
    }
    return json.dumps({"facts": facts._asdict(), "sets": sets}, indent=2, allow_nan=False) + "\n"


def _set_document(evaluation: SetEvaluation, interval: Interval | None, replicates: int) -> dict[str, Any]:
    ignored = evaluation.truth.ignored
    figures = evaluation.figures if evaluation.has_truth else {}
    bounds = None
    if interval is not None:
        bounds = {"low": interval.low, "high": interval.high, "level": 0.95, "replicates": replicates}
    return {
        "figures": {key: _or_null(value) for key, value in figures.items()},
        "AP_interval": bounds,
        "images": len(evaluation.truth.image_ids),
        "people": {
            "annotated": int((~ignored).sum()),
            "ignored": int(ignored.sum()),
            "predicted": len(evaluation.predictions.image_ids),
            "kept": len(evaluation.kept),
        },
        "from_detector": evaluation.from_detector,
        "evaluation": dataclasses.asdict(evaluation.settings),
    }


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) and value >= 0 else None


def per_keypoint_csv(evaluations: Mapping[str, SetEvaluation]) -> str:
    """`PER_KEYPOINT_COLUMNS` of each keypoint of each set with annotated people; empty over nobody."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PER_KEYPOINT_COLUMNS)
    for set_name, evaluation in evaluations.items():
        for name, labelled, *figures in evaluation.per_keypoint if evaluation.has_truth else ():
            writer.writerow((set_name, name, labelled, *(_or_null(value) for value in figures)))
    return text.getvalue()


def results_json(evaluation: SetEvaluation) -> str:
    """The detections as COCO's results: what pycocotools' ``loadRes`` and benchmarks' servers read; raw scores."""
    return json.dumps(evaluation.results())
