"""``elifpose data``: commands that make data sets."""

import argparse
from collections.abc import Sequence

from elifpose.datasets.synthetic import command as synthesize


def run(argv: Sequence[str]) -> None:
    """Run ``argv``, the words after ``elifpose data``; prints help and leaves with status 2 where they do not fit."""
    parser = argparse.ArgumentParser(prog="elifpose data", description="Make data sets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    synthesize.add_arguments(
        commands.add_parser(
            "synthesize",
            help="render people with exact keypoints",
            description="Render people with 26 exact keypoints as JPEG files and COCO-style JSON.",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
    )
    synthesize.run(parser.parse_args(argv))
