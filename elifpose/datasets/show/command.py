"""The command: draw samples as the network sees them."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PURPOSES
from elifpose.datasets.show.choosing import Shown, choose, crop, recolored, without_augmentation
from elifpose.datasets.show.sheet import check_fits, contact_sheet
from elifpose.datasets.splits import detector_notes, open_split
from elifpose.utils.drawing import check_picture_path, save_figure
from elifpose.utils.errors import ElifPoseError

SUMMARY = "draw samples as the network sees them"
DESCRIPTION = (
    "Write a contact sheet of samples as the network sees them: crop, keypoints by side, weights."
    " Options of `elifpose fit`, --config first of all, say which data."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""
    parser.add_argument("--split", choices=("train", "val"), default="train", help="which sets")
    parser.add_argument("--set", metavar="NAME", help="only this one")
    parser.add_argument("--count", type=int, default=24, help="people, as many of each set")
    parser.add_argument("--plain", action="store_true", help="without the augmentation of training")
    parser.add_argument("--flip", action="store_true", help="plain, each beside its mirrored self: sides must swap")
    parser.add_argument("--epoch", type=int, default=0, help="decides the augmentation")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1, help="2: as in the recipe's last epochs")
    parser.add_argument("--seed", type=int, default=0, help="decides who is shown")
    parser.add_argument("--columns", type=int, default=6, help="crops side by side")
    parser.add_argument("--out", type=Path, default=Path("samples.png"), help="the picture")


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Write the contact sheet.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with.

    Raises:
        ElifPoseError: If an option is out of range, a set unknown or not to be opened, or the file not written.
    """
    check_picture_path(arguments.out)
    for name, least in (("count", 1), ("columns", 1), ("epoch", 0), ("seed", 0)):
        if (value := getattr(arguments, name)) < least:
            raise ElifPoseError(f"--{name} is {value}; it must be at least {least}")
    sets = _only(arguments.set, open_split(data, arguments.split), arguments.split)
    people = sum(map(len, sets.values()))
    heading = f"{arguments.split}, {_how(arguments)}: {min(arguments.count, people):,} of {people:,} people"
    crops, columns = min(arguments.count, people), arguments.columns
    if arguments.flip:
        crops, columns = 2 * crops, max(columns - columns % 2, 2)
    check_fits(crops, columns, data.input_size)
    sheet = contact_sheet(_shown(arguments, data, sets), data.skeleton, heading, columns)
    save_figure(sheet, arguments.out)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if arguments.count > people:
        console.print(f"--count {arguments.count}: there are only {people:,} people; all are shown")
    for line in (*detector_notes(sets), f"picture: {arguments.out}"):
        console.print(line)
    return 0


def _only(name: str | None, sets: dict[str, PoseDataset], split: str) -> dict[str, PoseDataset]:
    """The set of a name, or all."""
    if name is None:
        return sets
    if name not in sets:
        raise ElifPoseError(f"--set: no set {PURPOSES[split]} is named {name!r}; there are {', '.join(sets)}")
    return {name: sets[name]}


def _shown(arguments: argparse.Namespace, data: PoseDataModule, sets: Mapping[str, PoseDataset]) -> list[Shown]:
    """The samples in the order in which the sheet shows them."""
    epoch, stage = arguments.epoch, arguments.stage
    chosen = choose({name: len(data_set) for name, data_set in sets.items()}, arguments.count, arguments.seed)
    plain = {name: without_augmentation(data_set) for name, data_set in sets.items()}
    if arguments.flip:
        mirrored = {name: without_augmentation(data_set, mirrored=True) for name, data_set in sets.items()}
        pairs = zip(crop(plain, chosen, epoch, stage), crop(mirrored, chosen, epoch, stage), strict=True)
        return [shown for pair in pairs for shown in pair]
    if arguments.plain or arguments.split == "val":
        return crop(plain, chosen, epoch, stage)
    shown = crop(sets, chosen, epoch, stage)
    return shown if data.photometric is None else recolored(shown, data.photometric, arguments.seed, stage)


def _how(arguments: argparse.Namespace) -> str:
    if arguments.flip:
        return "each beside its mirrored self"
    if arguments.plain or arguments.split == "val":
        return "plain"
    return f"as in epoch {arguments.epoch}, stage {arguments.stage}"
