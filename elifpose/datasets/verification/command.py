"""The command: look for mistakes in a configuration's sets."""

import argparse

from elifpose.datasets.datamodule import PoseDataModule

SUMMARY = "look for mistakes in a configuration's sets"
DESCRIPTION = (
    "Read every file of a configuration's sets and check every annotation; write a report of file, id and reason."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Check every set; 1 if something must be mended.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.
    """
    raise NotImplementedError
