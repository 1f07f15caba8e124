"""The command: draw samples as the network sees them."""

import argparse

from elifpose.datasets.datamodule import PoseDataModule

SUMMARY = "draw samples as the network sees them"
DESCRIPTION = (
    "Write a contact sheet of samples as the network sees them: crop, keypoints by side, weights."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Write the contact sheet.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.
    """
    raise NotImplementedError
