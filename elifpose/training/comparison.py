"""COCO result files judged, and compared, without a network."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table
from rich.text import Text

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.records import read_json
from elifpose.evaluation.average_precision import FIGURE_NAMES
from elifpose.evaluation.backends import figures_by
from elifpose.evaluation.bootstrap import Interval, bootstrap_ap, bootstrap_ap_difference
from elifpose.evaluation.matching import match
from elifpose.evaluation.people import DetectedPeople, TruePeople
from elifpose.evaluation.settings import Evaluation
from elifpose.training.result_files import file_name
from elifpose.training.tables import NOBODY
from elifpose.utils.errors import ElifPoseError

LETTERS = "AB"


class Comparison(NamedTuple):
    """What one or two result files are worth on a data set."""

    data_set: str
    paths: tuple[Path, ...]
    """``A``, or ``A`` and ``B``."""
    figures: tuple[dict[str, float], ...]
    """COCO's ten of each file; −1 over nobody."""
    intervals: tuple[Interval, ...]
    """Of AP, 95 %; empty if no draws were asked for."""
    difference: Interval | None
    """AP of ``B`` minus AP of ``A``, on the same draws of images; None for one file, or without draws."""

    def verdict(self) -> str:
        """One line about the difference; empty for one file."""
        if len(self.figures) == 1:
            return ""
        first, second = (of["AP"] for of in self.figures)
        change = f"AP of B minus AP of A: {second - first:+.4f}"
        if self.difference is None:
            return f"{change} (no interval was asked for)"
        low, high = self.difference.low, self.difference.high
        answer = "B is better" if low > 0 else "B is worse" if high < 0 else "A and B are not distinguishable"
        return f"{change} [{low:+.4f}, {high:+.4f}]: {answer} at 95 %"


def compare(
    paths: Sequence[Path], data_sets: Mapping[str, PoseDataset], settings: Evaluation, replicates: int
) -> list[Comparison]:
    """Judge one or two result files by the annotations of data sets.

    Scores are taken as the files have them, and nothing is suppressed.

    Args:
        paths: One or two, each a COCO results JSON or the folder of an earlier run, which holds
            ``<set>_results.json``. A file belongs to the only data set.
        data_sets: By name.
        settings: Says who computes the figures.
        replicates: Draws of images for the intervals; 0 for none.

    Returns:
        One for each data set.

    Raises:
        ElifPoseError: If a file is missing, no list of COCO results, empty, of another skeleton or of other images,
            if it is not clear which set it belongs to, or if nobody is annotated.
    """
    if not 1 <= len(paths) <= len(LETTERS):
        raise ElifPoseError(f"--results: one or two files can be judged, not {len(paths)}")
    return [
        _compare_on(data_set, tuple(_file(path, list(data_sets), name) for path in paths), name, settings, replicates)
        for name, data_set in data_sets.items()
    ]


def _file(path: Path, sets: list[str], name: str) -> Path:
    """The result file of a set that a path means."""
    if path.is_dir():
        path = path / file_name(name, "results.json")
    elif len(sets) > 1:
        raise ElifPoseError(
            f"--results: {path} is one file, but there are {len(sets)} validation sets ({', '.join(sets)}): give the"
            " folder of a run, or a configuration with the one set"
        )
    if not path.is_file():
        raise ElifPoseError(f"--results: there is no file {path}; give a COCO results JSON or the folder of a run")
    return path


def _compare_on(
    data_set: PoseDataset, paths: tuple[Path, ...], name: str, settings: Evaluation, replicates: int
) -> Comparison:
    K = data_set.skeleton.num_keypoints
    truth = TruePeople.from_coco(data_set.ground_truth(), K)
    if truth.ignored.all():
        raise ElifPoseError(
            f"--results: nobody in data set {name!r} is annotated with keypoints: nothing to judge by"
        )
    detected = [
        DetectedPeople.from_coco(read_results(path, set(truth.image_ids.tolist()), K), truth.image_ids, K)
        for path in paths
    ]
    sigmas = np.asarray(data_set.skeleton.sigmas)
    matches = [match(truth, of_file, sigmas) for of_file in detected]
    return Comparison(
        data_set=name,
        paths=paths,
        figures=tuple(figures_by(settings.evaluator, truth, of_file, sigmas) for of_file in detected),
        intervals=tuple(bootstrap_ap(of_file, replicates) for of_file in matches) if replicates else (),
        difference=bootstrap_ap_difference(matches[0], matches[1], replicates)
        if len(matches) == 2 and replicates
        else None,
    )


def read_results(path: Path, image_ids: set[int], num_keypoints: int) -> list[dict[str, Any]]:
    """Read and check COCO's results: ``image_id``, ``keypoints`` (K triples x, y, score) and ``score`` of each.

    Args:
        path: The file; boxes and other fields may be missing.
        image_ids: Of the data set.
        num_keypoints: K.

    Raises:
        ElifPoseError: If the file cannot be read or something in it does not fit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ElifPoseError(
            f"--results: {path} cannot be read ({error.strerror}); give a file that you may read"
        ) from error
    records = read_json(content, path)
    if not isinstance(records, list) or not records:
        what = "is empty" if records == [] else "is not a list"
        raise ElifPoseError(f"--results: {path} {what}; give a JSON list of COCO keypoint results")
    for number, record in enumerate(records, start=1):
        if complaint := _complaint(record, image_ids, num_keypoints):
            raise ElifPoseError(f"--results: {path}: detection {number} {complaint}")
    return records


def _complaint(record: Any, image_ids: set[int], num_keypoints: int) -> str | None:
    """What is wrong with a detection, and what to do; None if nothing."""
    if not isinstance(record, dict):
        return "is not an object; give COCO keypoint results"
    if missing := [key for key in ("image_id", "keypoints", "score") if record.get(key) is None]:
        return f"has no {missing[0]!r}; give COCO keypoint results"
    image_id, keypoints, score = record["image_id"], record["keypoints"], record["score"]
    if not _is_numbers(keypoints):
        return "has 'keypoints' that are no list of numbers; give COCO keypoint results"
    if len(keypoints) != 3 * num_keypoints:
        return (
            f"has {len(keypoints) / 3:g} keypoints, the data set {num_keypoints}: set --model.skeleton to that of the"
            " file"
        )
    if (box := record.get("bbox")) and not (_is_numbers(box) and len(box) == 4):
        return "has a 'bbox' that is not four numbers; give left, top, width and height in pixels, or no 'bbox'"
    if not isinstance(score, int | float) or math.isnan(score):
        return f"has score {score!r}; give a number"
    if not isinstance(image_id, int) or image_id not in image_ids:
        return f"is of image {image_id!r}, which the data set has not; give the set that the file was made on"
    return None


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, int | float) for each in value)


def comparison_table(comparison: Comparison) -> Table:
    """COCO's ten figures of each file, AP with its interval, and the verdict."""
    letters = LETTERS[: len(comparison.paths)]
    caption = [f"{letter}: {path}" for letter, path in zip(letters, comparison.paths, strict=True)]
    if comparison.intervals:
        caption.append("in brackets 95 % intervals: bootstrap over images")
    table = Table(
        title=Text(f"{comparison.data_set}: result files"),
        caption=Text("\n".join((*caption, comparison.verdict())).rstrip()),
        caption_justify="left",
    )
    table.add_column("")
    for letter in letters:
        table.add_column(letter)
    for key in FIGURE_NAMES:
        cells = [f"{of[key]:.3f}" if of[key] >= 0 else NOBODY for of in comparison.figures]
        if key == "AP" and comparison.intervals:
            bounds = (f" [{interval.low:.3f}, {interval.high:.3f}]" for interval in comparison.intervals)
            cells = [cell + of_file for cell, of_file in zip(cells, bounds, strict=True)]
        table.add_row(key, *map(Text, cells))
    return table
