import os
from pathlib import Path
from typing import Literal

import pytest
import torch

from elifpose.training.runs import find_checkpoint
from elifpose.utils.errors import ElifPoseError


def make_run(folder: Path, age: float, best: str | None = None) -> Path:
    last = folder / "checkpoints/last.ckpt"
    last.parent.mkdir(parents=True)
    state = {} if best is None else {"ModelCheckpoint{}": {"best_model_path": f"/gone/{best}"}}
    torch.save({"callbacks": state}, last)
    if best is not None:
        (last.parent / best).touch()
    os.utime(last, (1e9 - age, 1e9 - age))
    return last


def test_the_newest_run_counts_and_may_have_been_moved(tmp_path: Path) -> None:
    make_run(tmp_path / "version_9", age=100, best="old.ckpt")
    newest = make_run(tmp_path / "version_1", age=0, best="a.ckpt")
    assert find_checkpoint("last", tmp_path) == newest
    assert find_checkpoint("best", tmp_path) == newest.with_name("a.ckpt")


@pytest.mark.parametrize(("which", "runs"), [("last", 0), ("best", 0), ("best", 1)])
def test_what_is_not_there_is_told(which: Literal["last", "best"], runs: int, tmp_path: Path) -> None:
    for run in range(runs):
        make_run(tmp_path / f"version_{run}", age=0)
    with pytest.raises(ElifPoseError, match=f"--ckpt_path {which}"):
        find_checkpoint(which, tmp_path)
