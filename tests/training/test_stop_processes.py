"""A fit in two processes that is stopped and goes on; this file is also the program that each of them runs."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import PoseBatch
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import LastCheckpoint

SIZE = (64, 64)
EPOCHS = 2


class Diary(pl.Callback):
    """Keeps whom a process sees, and sends one of them SIGTERM at a batch."""

    def __init__(self, rank: int, epoch: int, batch: int) -> None:
        self.moment = (rank, epoch, batch)
        self.batches: list[tuple[int, list[int]]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, _: Any, batch: PoseBatch, batch_idx: int) -> None:
        self.batches.append((trainer.current_epoch, batch.sample_indices.tolist()))
        if (trainer.global_rank, trainer.current_epoch, batch_idx) == self.moment:
            signal.raise_signal(signal.SIGTERM)


def fit(root: Path, folder: Path, rank: int = -1, epoch: int = -1, batch: int = -1, resume: bool = False) -> Diary:
    torch.manual_seed(0)
    head = RTMCCHead(64, 26, SIZE, hidden_dims=32, stride=16)
    model = ElifPoseModule(PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(3,)), head), SimCC(SIZE))
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    geometry = GeometricTransform()
    data = PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=3, num_workers=0, geometry=geometry)
    diary = Diary(rank, epoch, batch)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[diary, LastCheckpoint(dirpath=folder)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checkpoint = folder / "last.ckpt" if resume else None
    try:
        trainer.fit(model, data, ckpt_path=checkpoint, weights_only=True)
    finally:
        kept = {"weights": model.state_dict(), "batches": diary.batches}
        torch.save(kept, folder / f"rank{trainer.global_rank}{'-resumed' if resume else ''}.pt")
    return diary


def program(root: Path, folder: Path) -> None:
    fit(root, folder / "whole")
    try:
        fit(root, folder / "parts", rank=1, epoch=0, batch=1)
    except SystemExit as leaving:
        (folder / f"status{os.environ['LOCAL_RANK']}").write_text(str(leaving.code))
    fit(root, folder / "parts", resume=True)
    fit(root, folder / "end", rank=0, epoch=1, batch=2)


def test_two_processes_stop_together_and_go_on(rendered: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts", "end"):
        (tmp_path / name).mkdir()
    command = [sys.executable, __file__, str(rendered), str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr[-3000:]
    assert done.stderr.count("Stopped by SIGTERM after batch 3 of epoch 1; saved") == 1
    assert [(tmp_path / f"status{rank}").read_text() for rank in range(2)] == ["143", "0"]

    def kept(name: str) -> list[Any]:
        return [torch.load(tmp_path / name.format(rank=rank), weights_only=True) for rank in range(2)]

    whole = kept("whole/rank{rank}.pt")
    for epoch in range(EPOCHS):
        seen = [[people for of, people in one["batches"] if of == epoch] for one in whole]
        assert [len(batches) for batches in seen] == [3, 3]
        assert Counter(person for of in seen for people in of for person in people) == Counter(range(16))
    for before, after, expected in zip(
        kept("parts/rank{rank}.pt"), kept("parts/rank{rank}-resumed.pt"), whole, strict=True
    ):
        assert len(before["batches"]) == 2
        assert before["batches"] + after["batches"] == expected["batches"]
        for name, value in expected["weights"].items():
            assert torch.equal(after["weights"][name], value), name
    one, other = (of["batches"] for of in kept("end/rank{rank}.pt"))
    assert len(one) == len(other) == 6


if __name__ == "__main__":
    program(Path(sys.argv[1]), Path(sys.argv[2]))
