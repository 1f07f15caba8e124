"""The command: count people, keypoints and sizes."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.splits import STAGES, detector_notes, open_split
from elifpose.datasets.statistics.counting import as_json, count, together
from elifpose.datasets.statistics.figure import statistics_figure
from elifpose.datasets.statistics.tables import WIDTH, keypoint_tables, people_table, size_table
from elifpose.utils.drawing import check_picture_path, save_figure
from elifpose.utils.errors import ElifPoseError

SUMMARY = "count people, keypoints and sizes"
DESCRIPTION = (
    "Count a configuration's people and keypoints, sizes of boxes and truncation, as a table and a picture."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""
    parser.add_argument("--split", choices=tuple(STAGES), default="train", help="which sets")
    parser.add_argument("--out", type=Path, default=Path("statistics.png"), help="the picture")
    parser.add_argument("--json", type=Path, help="a file for the numbers")


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Print the table and write the picture.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.

    Raises:
        ElifPoseError: If a set cannot be opened, or a file not written.
    """
    check_picture_path(arguments.out)
    split = arguments.split
    opened = open_split(data, split)
    in_epoch = data.people_per_epoch() if split == "train" else {}
    sets = [count(data_set, in_epoch.get(name)) for name, data_set in opened.items()]
    rows = [*sets, together(sets)] if len(sets) > 1 else sets
    keypoints = data.skeleton.keypoints
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(people_table(split, rows))
    console.print(size_table(split, rows))
    for table in keypoint_tables(split, rows, keypoints):
        console.print(table)
    save_figure(statistics_figure(split, sets, keypoints), arguments.out)
    told = [*detector_notes(opened), f"picture: {arguments.out}"]
    if arguments.json is not None:
        document = {"split": split, "sets": {of.name: as_json(of, keypoints) for of in rows}}
        _write(arguments.json, json.dumps(document, indent=1) + "\n")
        told.append(f"numbers: {arguments.json}")
    for line in told:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise ElifPoseError(f"--json: {path} cannot be written ({error.strerror}); give another name") from error
