"""The command: keep crops, so that training reads faster."""

import argparse

from elifpose.datasets.datamodule import PoseDataModule

SUMMARY = "keep crops, so that training reads faster"
DESCRIPTION = (
    "Write the people of the training sets as small crops, which `elifpose fit` then reads instead of images."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Write what is missing of the crops.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.
    """
    raise NotImplementedError
