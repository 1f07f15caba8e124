import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import PoseBatch
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import ExponentialMovingAverage, LastCheckpoint, QATCallback

SIZE = (64, 64)
QUIET: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
Moment = tuple[str, int, int]
"""``train`` or ``validate``, epoch and batch."""


class Diary(pl.Callback):
    """Writes down what a fit does, and sends the process a signal at a moment."""

    def __init__(self, moment: Moment | None, number: signal.Signals) -> None:
        assert threading.current_thread() is threading.main_thread(), "or the signal would end the tests"
        self.moment = moment
        self.number = number
        self.entries: list[Any] = []

    def _signal(self, moment: Moment) -> None:
        if moment == self.moment:
            signal.raise_signal(self.number)

    def on_train_epoch_start(self, trainer: pl.Trainer, _: Any) -> None:
        self.entries.append(("epoch", trainer.current_epoch))

    def on_train_batch_start(self, trainer: pl.Trainer, _: Any, batch: PoseBatch, batch_idx: int) -> None:
        moment = ("train", trainer.current_epoch, batch_idx)
        # The images are as they are after photometric augmentation.
        self.entries.append((*moment, batch.sample_indices.tolist(), batch.images.double().sum().item()))
        self._signal(moment)

    def on_validation_start(self, trainer: pl.Trainer, _: Any) -> None:
        self.entries.append(("validate", trainer.current_epoch, trainer.global_step))

    def on_validation_batch_start(
        self, trainer: pl.Trainer, _: Any, __: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        del dataloader_idx
        self._signal(("validate", trainer.current_epoch, batch_idx))

    def on_train_epoch_end(self, trainer: pl.Trainer, _: Any) -> None:
        steps = trainer.fit_loop.epoch_loop._batches_that_stepped
        self.entries.append(("epoch ends", trainer.current_epoch, f"logged at step {steps}"))


class SaveEverywhere(pl.Callback):
    """Saves where another callback may."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"step{trainer.global_step}.ckpt")

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"validation{trainer.global_step}.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"epoch{trainer.current_epoch}.ckpt")


class Outcome(NamedTuple):
    status: object
    """With which the process would have ended; 0 for a fit that came to its end."""
    weights: dict[str, Tensor]
    diary: list[Any]


class Fits:
    """Fits of a small network on the rendered people, four batches an epoch unless said otherwise."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder

    def __call__(
        self,
        *,
        moment: Moment | None = None,
        number: signal.Signals = signal.SIGTERM,
        checkpoint: str | None = None,
        workers: int = 0,
        batch_size: int = 4,
        callbacks: Sequence[pl.Callback] = (),
        **options: Any,
    ) -> Outcome:
        torch.manual_seed(0)
        head = RTMCCHead(64, 26, SIZE, hidden_dims=32, stride=16)
        model = ElifPoseModule(PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(3,)), head), SimCC(SIZE))
        train, val = (
            {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
            for split in ("train2017", "val2017")
        )
        data = PoseDataModule(
            train,
            val,
            root=str(self.root),
            input_size=SIZE,
            batch_size=batch_size,
            val_batch_size=4,
            num_workers=workers,
            geometry=GeometricTransform(),
            photometric=PhotometricAugment(),
        )
        diary = Diary(moment, number)
        average = ExponentialMovingAverage(momentum=0.1, gamma=4.0)
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=[average, *callbacks, diary, LastCheckpoint(dirpath=self.folder)],
            **{"max_epochs": 3, **QUIET, **options},
        )
        status: object = 0
        try:
            trainer.fit(model, data, ckpt_path=checkpoint and self.folder / checkpoint, weights_only=True)
        except SystemExit as leaving:
            status = leaving.code
        return Outcome(status, {name: value.clone() for name, value in model.state_dict().items()}, diary.entries)


@pytest.fixture
def fit(rendered: Path, tmp_path: Path) -> Fits:
    return Fits(rendered, tmp_path)


def assert_same_weights(one: Outcome, other: Outcome) -> None:
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name


# Batches 0 to 3 of epochs 0 to 2. After the last batch of an epoch its validation is to come.
@pytest.mark.parametrize(
    ("moments", "workers", "options"),
    [
        ([(0, 0), (1, 1), (1, 3), (2, 3)], 0, {}),
        ([(1, 1)], 2, {}),
        ([(1, 3)], 0, {"check_val_every_n_epoch": 3}),
        ([(1, 1)], 0, {"val_check_interval": 2}),
        ([(0, 2)], 0, {"accumulate_grad_batches": 2, "max_epochs": 2}),  # between two batches of one step
        ([(1, 3)], 0, {"max_epochs": -1, "max_steps": 10}),
    ],
)
def test_a_stopped_fit_goes_on_as_if_it_had_not_been(
    moments: list[tuple[int, int]],
    workers: int,
    options: dict[str, Any],
    fit: Fits,
    caplog: pytest.LogCaptureFixture,
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    whole, diary, checkpoint = fit(**options), [], None
    for epoch, batch in moments:
        stopped = fit(moment=("train", epoch, batch), checkpoint=checkpoint, workers=workers, **options)
        assert stopped.status == 128 + signal.SIGTERM
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        where = f"after batch {4 if 'accumulate_grad_batches' in options else batch + 1} of epoch {epoch}"
        assert f"Stopped by SIGTERM {where}; saved, go on with --ckpt_path last" in caplog.messages
        diary += stopped.diary
        checkpoint = "last.ckpt"
    resumed = fit(checkpoint=checkpoint, workers=workers, **options)
    assert resumed.status == 0
    assert diary + resumed.diary == whole.diary
    assert_same_weights(resumed, whole)


def test_a_fit_that_is_stopped_in_a_validation_goes_on_with_that_validation(fit: Fits) -> None:
    whole = fit(max_epochs=2)
    stopped = fit(moment=("validate", 0, 1), number=signal.SIGINT, max_epochs=2)
    assert stopped.status == 128 + signal.SIGINT
    assert stopped.diary[-1] == ("validate", 0, 4)
    resumed = fit(checkpoint="last.ckpt", max_epochs=2)
    assert resumed.diary[0] == ("validate", 0, 4)
    assert stopped.diary[:-1] + resumed.diary == whole.diary
    assert_same_weights(resumed, whole)


def test_a_quantized_fit_goes_on_too(fit: Fits) -> None:
    def quantization() -> list[pl.Callback]:
        return [QATCallback(1, 2, 2, calibration_batches=2)]

    whole = fit(callbacks=quantization())
    first = fit(moment=("train", 0, 3), callbacks=quantization())
    second = fit(moment=("train", 1, 2), checkpoint="last.ckpt", callbacks=quantization())
    resumed = fit(checkpoint="last.ckpt", callbacks=quantization())
    assert first.diary + second.diary + resumed.diary == whole.diary
    assert_same_weights(resumed, whole)


@pytest.mark.parametrize(
    ("options", "checkpoints"),
    [
        ({"val_check_interval": 2}, ["step4", "validation2", "validation4", "epoch0"]),
        ({"max_epochs": -1, "max_steps": 8}, ["step4", "epoch0"]),
    ],
)
def test_a_fit_goes_on_from_whatever_was_saved(options: dict[str, Any], checkpoints: list[str], fit: Fits) -> None:
    options = {"max_epochs": 2, **options}
    whole = fit(callbacks=[SaveEverywhere(fit.folder)], **options)
    for checkpoint in checkpoints:
        resumed = fit(checkpoint=f"{checkpoint}.ckpt", **options)
        assert_same_weights(resumed, whole)
        batches, seen = ([of for of in diary if of[0] == "train"] for diary in (whole.diary, resumed.diary))
        assert batches[-len(seen) :] == seen


def test_with_another_batch_size_the_epoch_goes_on_at_the_same_share(fit: Fits) -> None:
    fit(moment=("train", 1, 1), max_epochs=2)
    with pytest.warns(UserWarning, match=r"epoch 1 stood at batch 2 of 4.*batch_size 2, not 4.*at batch 4 of 8"):
        resumed = fit(checkpoint="last.ckpt", batch_size=2, max_epochs=2)
    assert [of[:3] for of in resumed.diary if of[0] == "train"] == [("train", 1, batch) for batch in range(4, 8)]
    assert resumed.diary[-1][0] == "epoch ends"


def test_there_is_always_a_whole_file(fit: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(max_epochs=1)
    before = (fit.folder / "last.ckpt").read_bytes()

    def torn(_trainer: pl.Trainer, path: str, **_: Any) -> None:
        Path(path).write_bytes(before[:1000])
        raise OSError("the machine went down")

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", torn)
    with pytest.raises(OSError, match="went down"):
        fit(max_epochs=1)
    assert (fit.folder / "last.ckpt").read_bytes() == before


class Worsening(BoringModel):
    """Its first epoch is its best."""

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        self.log("quality", -float(self.current_epoch))


@pytest.mark.parametrize("every", [1, 2])
def test_the_last_epoch_is_saved_though_it_was_not_the_best_or_not_validated(every: int, tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="quality", mode="max", filename="best")
    trainer = pl.Trainer(
        callbacks=[LastCheckpoint(dirpath=tmp_path), best],
        max_epochs=3,
        check_val_every_n_epoch=every,
        limit_train_batches=2,
        limit_val_batches=1,
        accelerator="cpu",
        **QUIET,
    )
    trainer.fit(Worsening())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 2
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == every - 1


@pytest.mark.parametrize(("enabled", "fast_dev_run"), [(False, False), (True, True)])
def test_it_can_be_switched_off(enabled: bool, fast_dev_run: bool, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    class Watch(pl.Callback):
        def on_train_epoch_end(self, *_: Any) -> None:
            assert signal.getsignal(signal.SIGINT) is before

    trainer = pl.Trainer(
        callbacks=[LastCheckpoint(enabled=enabled, dirpath=tmp_path), Watch()],
        fast_dev_run=fast_dev_run,
        max_epochs=1,
        limit_train_batches=1,
        limit_val_batches=0,
        accelerator="cpu",
        **QUIET,
    )
    trainer.fit(BoringModel())
    assert not list(tmp_path.iterdir())
