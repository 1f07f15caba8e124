"""The command that renders a data set with a training and a validation split."""

import argparse
from pathlib import Path

from elifpose.datasets.synthetic.dataset import write_dataset
from elifpose.utils.errors import ElifPoseError

SUMMARY = "render people with exact keypoints"
DESCRIPTION = "Render people with 26 exact keypoints as JPEG files and COCO-style JSON."

TRAIN_SPLIT, VAL_SPLIT = "train2017", "val2017"
"""Names of the splits, those of COCO's layout, so that whatever reads COCO reads this."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--root", type=Path, default=Path("data/synthetic"), help="folder of the data set")
    parser.add_argument("--train", type=int, default=10_000, help="people to train on, at least")
    parser.add_argument("--val", type=int, default=1_000, help="people to validate on, at least")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("WIDTH", "HEIGHT"), help="pixels")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw; 0 draws in this one")


def run(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Render what the options of `add_arguments` ask for.

    Returns:
        Paths of the annotation files of training and validation.

    Raises:
        ElifPoseError: As `write_dataset`, but before anything is rendered if a split is to have nobody.
    """
    for name in ("train", "val"):
        if (people := getattr(arguments, name)) < 1:
            raise ElifPoseError(f"--{name} is {people}; it must be at least 1")
    size = (arguments.size[0], arguments.size[1])
    train, val = (
        write_dataset(arguments.root, split, people, arguments.seed, size, arguments.workers)
        for split, people in ((TRAIN_SPLIT, arguments.train), (VAL_SPLIT, arguments.val))
    )
    return train, val
