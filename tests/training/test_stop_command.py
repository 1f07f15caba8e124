"""The command line's fit under Ctrl-C; this file is also the program that gets it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from elifpose.cli import main

Options = Callable[[Path, Path], list[str]]


class CtrlC(pl.Callback):
    """Sends SIGINT to all processes of the program, as a terminal does, in the second epoch."""

    def on_train_batch_start(self, trainer: pl.Trainer, _: Any, __: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (1, 2):
            os.killpg(os.getpgrp(), signal.SIGINT)


def last_checkpoint(folder: Path) -> dict[str, Any]:
    path = max(folder.rglob("last.ckpt"), key=lambda path: path.stat().st_mtime)
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True)
    return checkpoint


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the program that is stopped has: sums of several threads are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_ctrl_c_saves_what_the_fit_goes_on_from(options: Options, rendered: Path, tmp_path: Path) -> None:
    def words(folder: str, workers: int) -> list[str]:
        epochs = ["--trainer.max_epochs", "2", "--trainer.check_val_every_n_epoch", "2"]
        return ["fit", *options(rendered, tmp_path / folder), *epochs, "--data.num_workers", str(workers)]

    command = [sys.executable, __file__, *words("stopped", 2), "--trainer.callbacks+=CtrlC"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment, start_new_session=True
    )
    assert stopped.returncode == 130, stopped.stderr[-3000:]
    assert "Traceback" not in stopped.stderr
    assert "Stopped by SIGINT after batch 3 of epoch 1; saved, go on with --ckpt_path last" in stopped.stderr
    assert last_checkpoint(tmp_path / "stopped")["global_step"] == 7
    assert main([*words("stopped", 0), "--ckpt_path", "last"]) == 0
    assert main(words("whole", 0)) == 0
    resumed, whole = (last_checkpoint(tmp_path / name) for name in ("stopped", "whole"))
    assert resumed["global_step"] == whole["global_step"] == 8
    for name, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
