"""The command: keep crops, so that training reads faster."""

import argparse
import shutil
from functools import partial

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from elifpose.datasets.crops.writer import Written, write_crops
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.splits import open_split

SUMMARY = "keep crops, so that training reads faster"
DESCRIPTION = (
    "Write the people of the training sets as small crops, which `elifpose fit` then reads instead of images."
    " Options of `elifpose fit`, --config first of all, say which data; --data.crops says where the crops go."
    " What an earlier run wrote is checked and kept."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:  # noqa: ARG001
    """Write what is missing of the crops.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.

    Raises:
        ElifPoseError: As `write_crops`, or as the data module's ``setup``.
    """
    sets = open_split(data, "train")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console, written = Console(soft_wrap=True), []
    cv2.setNumThreads(0)  # images are worked on side by side instead
    with Progress(*columns, console=console) as progress:
        for name, data_set in sets.items():
            task = progress.add_task(f"crops of {name}", total=len(data_set))
            crops = write_crops(data_set, data.crops, max(1, data.num_workers), partial(progress.advance, task))
            written.append(crops)
            console.print(describe(name, crops), highlight=False, markup=False)
    megabytes, free = sum(crops.bytes for crops in written) / 1e6, shutil.disk_usage(data.crops).free / 1e9
    console.print(
        f"{megabytes:,.1f} MB of crops in {data.crops}; {free:,.1f} GB are free there", highlight=False, markup=False
    )
    return 0


def describe(name: str, crops: Written) -> str:
    """One line about a set's crops."""
    if crops.found == crops.people:
        state = "all there already, as they were written"
    elif crops.found:
        state = f"of which {crops.found:,} were there already"
    else:
        state = "written"
    line = f"{name}: {crops.people:,} people, {crops.bytes / 1e6:,.1f} MB, {state}"
    if crops.without:
        line += f"; {crops.without:,} people in images of another size than annotated have none"
    return line
