"""The command: count people, keypoints and sizes."""

import argparse

from elifpose.datasets.datamodule import PoseDataModule

SUMMARY = "count people, keypoints and sizes"
DESCRIPTION = (
    "Count a configuration's people and keypoints, sizes of boxes and truncation, as a table and a picture."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Print the table and write the picture.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.
    """
    raise NotImplementedError
