import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation.losses import KLDiscretLoss
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, load_network
from elifpose.structures import PoseBatch
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import ExponentialMovingAverage
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


def network(num_keypoints: int = 26, stages: tuple[int, ...] = (4,)) -> PoseEstimator:
    return PoseEstimator(
        CSPNeXt(0.167, 0.125, out_stages=stages), RTMCCHead(128, num_keypoints, SIZE, hidden_dims=32)
    )


def module(stages: tuple[int, ...] = (4,), **arguments: Any) -> ElifPoseModule:
    torch.manual_seed(0)
    return ElifPoseModule(network(stages=stages), SimCC(SIZE), **arguments)


def data(root: Path) -> PoseDataModule:
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    return PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=4, num_workers=0)


def trainer(folder: Path, **arguments: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }
    return pl.Trainer(accelerator="cpu", devices=1, default_root_dir=folder, **quiet, **arguments)


def weights_of(model: ElifPoseModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_the_logged_loss_is_that_of_dense_targets(rendered: Path, tmp_path: Path) -> None:
    model = module(joint_weights=True)
    before = copy.deepcopy(model.network).train()
    seen: list[tuple[PoseBatch, Tensor]] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
            seen.append((arguments[2], trainer.callback_metrics["train/loss"]))

    trainer(tmp_path, max_steps=1, limit_val_batches=0, callbacks=[Watch()]).fit(model, data(rendered))
    ((batch, loss),) = seen
    weights = batch.weights * torch.tensor(model.skeleton.joint_weights)
    expected = KLDiscretLoss()(*before(batch.images), model.codec.encode(batch.keypoints_input, weights))
    torch.testing.assert_close(loss, expected)


def test_a_checkpoint_gives_the_module_back_without_its_configuration(rendered: Path, tmp_path: Path) -> None:
    model = module()
    fit = trainer(tmp_path, max_steps=2, limit_val_batches=0)
    fit.fit(model, data(rendered))
    fit.save_checkpoint(tmp_path / "a.ckpt")
    again = ElifPoseModule.load_from_checkpoint(tmp_path / "a.ckpt")
    assert again.codec == model.codec
    assert again.skeleton == model.skeleton
    alone = load_network(tmp_path / "a.ckpt")
    for name, value in weights_of(model).items():
        assert torch.equal(again.network.state_dict()[name], value), name
        assert torch.equal(alone.state_dict()[name], value), name


def test_a_file_that_is_no_checkpoint_of_a_fit_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": network().state_dict()}, tmp_path / "weights.pth")
    with pytest.raises(ElifPoseError, match=r"weights.pth is not a checkpoint of a fit"):
        ElifPoseModule.load_from_checkpoint(tmp_path / "weights.pth")


@pytest.mark.parametrize("ema", [False, True])
def test_a_new_fit_starts_from_the_given_weights_and_so_does_its_average(
    ema: bool, rendered: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    source = network()
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    average = ExponentialMovingAverage(enabled=ema)

    class Compare(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            models: list[Any] = [pl_module]
            if average._average_model is not None:
                models.append(average._average_model.module)
            assert len(models) == 1 + ema
            for model in models:
                for name, value in source.state_dict().items():
                    assert torch.equal(model.network.state_dict()[name], value), name
            trainer.should_stop = True

    model = module(init_from=str(tmp_path / "weights.pth"))
    trainer(tmp_path, max_steps=1, limit_val_batches=0, callbacks=[average, Compare()]).fit(model, data(rendered))


def test_other_keypoints_keep_the_backbone_of_the_given_weights(tmp_path: Path, rendered: Path) -> None:
    source = network(num_keypoints=17)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    model = module(init_from=str(tmp_path / "weights.pth"), init_scope="matching")
    head = weights_of(model)["head.final_layer.weight"]
    fit = trainer(tmp_path, max_steps=0, limit_val_batches=0)
    fit.fit(model, data(rendered))
    stem = "backbone.stem.0.conv.weight"
    assert torch.equal(weights_of(model)[stem], source.state_dict()[stem])
    assert torch.equal(weights_of(model)["head.final_layer.weight"], head)
    strict = module(init_from=str(tmp_path / "weights.pth"))
    with pytest.raises(ElifPoseError, match="matching"):
        fit.fit(strict, data(rendered))


def test_an_interrupted_fit_ends_as_an_uninterrupted_one(rendered: Path, tmp_path: Path) -> None:
    class SaveEachEpoch(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.save_checkpoint(tmp_path / f"epoch{trainer.current_epoch}.ckpt")

    def fit(*callbacks: pl.Callback, checkpoint: Path | None = None) -> dict[str, Tensor]:
        model = module()
        every = [ExponentialMovingAverage(), *callbacks]
        options = {"max_epochs": 2, "limit_val_batches": 0, "enable_checkpointing": False}
        trainer(tmp_path, callbacks=every, **options).fit(
            model, data(rendered), ckpt_path=checkpoint, weights_only=True
        )
        return weights_of(model)

    whole = fit(SaveEachEpoch())
    resumed = fit(checkpoint=tmp_path / "epoch0.ckpt")
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_auxiliary_heatmaps_train_and_are_not_part_of_the_network(rendered: Path, tmp_path: Path) -> None:
    model = module(stages=(3, 4), auxiliary_weight=0.5)
    assert not any(name.startswith("auxiliary") for name in model.network.state_dict())
    before = {name: value.clone() for name, value in model.auxiliary.state_dict().items()}
    assert before
    trainer(tmp_path, max_steps=2, limit_val_batches=0).fit(model, data(rendered))
    assert all(not torch.equal(value, before[name]) for name, value in model.auxiliary.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"skeleton": "coco17"}, "26 keypoints"),
        ({"codec": SimCC((128, 64))}, "bins"),
        ({"auxiliary_weight": 1.0}, r"out_stages=\[3,4\]"),
        ({"init_from": "nothing.pth"}, "no file nothing.pth"),
    ],
)
def test_parts_that_do_not_fit_are_named(arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(ElifPoseError, match=expected):
        ElifPoseModule(**{"network": network(), "codec": SimCC(SIZE), **arguments})
