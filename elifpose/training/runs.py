"""Checkpoints of earlier runs, found by what they are rather than by path."""

from pathlib import Path
from typing import Literal, cast

import torch
from lightning.pytorch.utilities import rank_zero_info

from elifpose.utils.errors import ElifPoseError


def checkpoint_path(given: str, folder: Path) -> str:
    """The file that ``--ckpt_path`` means.

    Args:
        given: A file, ``last``, ``best``, or ``hpc``, which is Lightning's word for what a cluster's job left.
        folder: Where runs lie, at any depth.

    Raises:
        ElifPoseError: There is no such file.
    """
    if given in ("last", "best"):
        found = str(find_checkpoint(cast("Literal['last', 'best']", given), folder))
        rank_zero_info(f"--ckpt_path {given}: {found}")
        return found
    if given != "hpc" and not Path(given).is_file():
        raise ElifPoseError(f"--ckpt_path: there is no file {given}; give a checkpoint, or 'last' or 'best'")
    return given


def find_checkpoint(which: Literal["last", "best"], folder: Path) -> Path:
    """The newest run's last checkpoint, or the best one of that run.

    Args:
        which: ``last``, or ``best`` by what the run monitored.
        folder: Where runs lie, at any depth.

    Returns:
        An existing file.

    Raises:
        ElifPoseError: No run below ``folder`` has such a checkpoint.
    """
    found = sorted(folder.rglob("checkpoints/last*.ckpt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ElifPoseError(f"--ckpt_path {which}: no run in {folder} has a last checkpoint; give a file")
    if which == "last":
        return found[-1]
    callbacks = torch.load(found[-1], map_location="cpu", weights_only=True).get("callbacks", {})
    states = [state for name, state in callbacks.items() if name.startswith("ModelCheckpoint")]
    best = Path(states[0]["best_model_path"]) if states and states[0].get("best_model_path") else None
    candidates = [] if best is None else [best, found[-1].with_name(best.name)]  # the run may have been moved
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ElifPoseError(f"--ckpt_path best: the run of {found[-1]} has no best checkpoint; give a file")
