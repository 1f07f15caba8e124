"""The command that renders a video of one person who moves, with true joint angles."""

import argparse
from pathlib import Path

from elifpose.datasets.synthetic.motion import Clip, write_clip
from elifpose.datasets.synthetic.motion_curves import MOTIONS

SUMMARY = "render a video of one person who moves, with true joint angles"
DESCRIPTION = "Render a video of one person, seen from the side, with exact keypoints and true joint angles."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    usual = Clip()
    add = parser.add_argument
    add("--motion", choices=list(MOTIONS), default=usual.motion, help="what the person does")
    add("--out", type=Path, default=Path("data/motion"), help="folder of the video, keypoints.json and truth.csv")
    add("--seconds", type=float, default=usual.seconds, help="of the video")
    add("--fps", type=float, default=usual.fps, help="frames per second")
    add("--yaw", type=float, default=usual.yaw, help="degrees from side-on, towards the camera; below 0 away from it")
    add("--size", type=int, nargs=2, default=usual.size, metavar=("WIDTH", "HEIGHT"), help="pixels, both even")
    add("--facing", choices=["right", "left"], default=usual.facing, help="where in the picture the person faces")
    add("--seed", type=int, default=usual.seed, help="of who is filmed, and where")


def run(arguments: argparse.Namespace) -> list[Path]:
    """Render what the options of `add_arguments` ask for.

    Returns:
        The three files.

    Raises:
        ElifPoseError: As `write_clip`.
    """
    clip = Clip(
        motion=arguments.motion,
        seconds=arguments.seconds,
        fps=arguments.fps,
        yaw=arguments.yaw,
        size=(arguments.size[0], arguments.size[1]),
        facing=arguments.facing,
        seed=arguments.seed,
    )
    return write_clip(arguments.out, clip)
