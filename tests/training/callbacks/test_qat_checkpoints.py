"""What a fit that is quantized in its middle saves, and what goes on from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from qat_fits import OBSERVERS, MakeData, MakeModule, MakeTrainer, Steps, Validated, average, qat, same
from torch import Tensor

from elifpose.export.source import load_source
from elifpose.quantization import QuantizationSpec, is_prepared
from elifpose.quantization.spec import Observer
from elifpose.training import ElifPoseModule, PosePrediction
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


@pytest.fixture
def integer_predictions(monkeypatch: pytest.MonkeyPatch) -> list[list[PosePrediction]]:
    """What integer networks predict, by network."""
    seen: list[list[PosePrediction]] = []
    original = ElifPoseModule.integer_predictor

    def recording(self: ElifPoseModule) -> Callable[[Tensor], PosePrediction]:
        predict = original(self)
        seen.append([])

        def and_keep(images: Tensor) -> PosePrediction:
            seen[-1].append(predict(images))
            return seen[-1][-1]

        return and_keep

    monkeypatch.setattr(ElifPoseModule, "integer_predictor", recording)
    return seen


@pytest.mark.parametrize(("weights_only", "fit_precision"), [(True, "32-true"), (False, "bf16-mixed")])
@pytest.mark.parametrize("observer", OBSERVERS)
def test_what_was_validated_is_what_is_saved(
    weights_only: bool,
    fit_precision: str,
    observer: Observer,
    module: MakeModule,
    data: MakeData,
    trainer: MakeTrainer,
    rendered: Path,
    tmp_path: Path,
    integer_predictions: list[list[PosePrediction]],
) -> None:
    """With an average, of checkpoints that are evaluated without callback; integers whatever the precision."""
    seen, steps = Validated(), Steps()
    save = ModelCheckpoint(tmp_path, "best", monitor="val/int8/AP", mode="max", save_weights_only=weights_only)
    spec = QuantizationSpec(observer=observer)
    fit = trainer(tmp_path, qat(0, spec=spec), average(), save, seen, steps, epochs=1, precision=fit_precision)
    fit.fit(module(), data(rendered))
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert same(content["state_dict"], seen.weights)
    trained = steps.weights[-1]
    assert not same(seen.weights, trained)
    ranges = [name for name in trained if name.endswith((".low", ".high", ".batches"))]
    assert ranges
    assert all(torch.equal(seen.weights[name], trained[name]) for name in ranges), "the average has the ranges"
    assert content["elifpose"]["quantization"]["spec"] == spec.arguments()
    (of_fit,) = integer_predictions
    for repeat, run in enumerate(("validate", "test")):
        figures = []
        for precision in ("float", "int8"):
            again, fresh = trainer(tmp_path, precision=fit_precision), module()
            fresh.precision = precision
            measure = again.validate if run == "validate" else again.test
            figures += measure(
                fresh, data(rendered), ckpt_path=tmp_path / "best.ckpt", weights_only=True, verbose=False
            )
        for name, value in figures[0].items():
            assert value == seen.figures[name.replace("test/", "val/")], name
        assert figures[1][f"{run[:4].replace('vali', 'val')}/AP"] == seen.figures["val/int8/AP"]
        assert len(integer_predictions) == repeat + 2
        for now, then in zip(integer_predictions[-1], of_fit, strict=True):
            assert torch.equal(now.keypoints_input, then.keypoints_input)
            assert torch.equal(now.scores, then.scores)


def test_a_fitted_module_is_tested_and_read_from_its_file(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    model, path = module(), tmp_path / "some.ckpt"
    fit = trainer(tmp_path, qat(0), epochs=1)
    fit.fit(model, data(rendered))
    fit.save_checkpoint(path)
    (tested,) = fit.test(model, data(rendered), verbose=False)
    (from_file,) = fit.test(model, data(rendered), ckpt_path=path, weights_only=True, verbose=False)
    assert tested == from_file
    again = ElifPoseModule.load_from_checkpoint(path)
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    with torch.no_grad():
        for now, then in zip(again.eval()(images), model.eval()(images), strict=True):
            assert torch.equal(now, then)
    assert again.quantization.record() == model.quantization.record()


Continued = Callable[[Path, Observer, ModelCheckpoint | None, Path | None], tuple[dict[str, Any], list[Tensor]]]


@pytest.fixture(scope="module")
def continued(module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path) -> Continued:
    """Fits for four epochs, from the start or from a file: the checkpoint at the end and the losses."""

    def fit(
        folder: Path, observer: Observer, save: ModelCheckpoint | None, ckpt_path: Path | None
    ) -> tuple[dict[str, Any], list[Tensor]]:
        callback = qat(1, 2, 3, spec=QuantizationSpec(observer=observer), learning_rate_scale=0.5)
        steps = Steps()
        full = trainer(folder, callback, average(), steps, *([save] if save else []), epochs=4)
        full.fit(module(), data(rendered), ckpt_path=ckpt_path, weights_only=True)
        full.save_checkpoint(folder / "end.ckpt")
        return torch.load(folder / "end.ckpt", weights_only=True), steps.losses

    return fit


@pytest.fixture(scope="module", params=OBSERVERS)
def whole(
    continued: Continued, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Observer, Path, dict[str, Any], list[Tensor]]:
    """An uninterrupted fit: its observer, the folder of a checkpoint of each epoch, its end and its losses."""
    folder = tmp_path_factory.mktemp("whole")
    by_epoch = ModelCheckpoint(folder, "{epoch}", save_top_k=-1)
    return request.param, folder, *continued(folder, request.param, by_epoch, None)


@pytest.mark.parametrize("name", ["epoch=0", "epoch=1", "epoch=2"])
def test_a_resumed_fit_is_the_uninterrupted_one(
    name: str,
    whole: tuple[Observer, Path, dict[str, Any], list[Tensor]],
    continued: Continued,
    tmp_path: Path,
) -> None:
    """From before the start, and with moving and with fixed ranges."""
    observer, folder, expected, losses = whole
    resumed, again = continued(tmp_path, observer, None, folder / f"{name}.ckpt")
    assert 0 < len(again) < len(losses)
    assert all(torch.equal(now, then) for now, then in zip(again[::-1], losses[::-1], strict=False))
    for key in ("state_dict", "current_model_state"):
        assert same(resumed[key], expected[key]), key
    now, then = (content["optimizer_states"][0] for content in (resumed, expected))
    assert now["param_groups"] == then["param_groups"]
    assert all(same(now["state"][index], state) for index, state in then["state"].items())
    assert resumed["callbacks"]["QATCallback"] == expected["callbacks"]["QATCallback"]
    assert resumed["elifpose"] == expected["elifpose"]


@pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable")
def test_a_fit_resumed_in_mid_epoch_is_quantized_at_once(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    """Lightning does not say then that an epoch starts."""
    save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=2, save_top_k=-1)
    trainer(tmp_path, qat(0, 1, 1), average(), save, epochs=2).fit(module(), data(rendered))
    saved = torch.load(tmp_path / "step=6.ckpt", weights_only=True)["current_model_state"]
    steps = Steps()
    resumed = trainer(tmp_path, qat(0, 1, 1), average(), steps, epochs=2)
    resumed.fit(module(), data(rendered), ckpt_path=tmp_path / "step=6.ckpt", weights_only=True)
    assert steps.weights[0].keys() == saved.keys()
    held = [name for name in saved if name.endswith((".low", ".high", "running_mean"))]
    assert all(torch.equal(steps.weights[0][name], saved[name]) for name in held), "ranges and norms stay fixed"


def test_a_fit_goes_on_without_the_callback(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    first = trainer(tmp_path, qat(0, 1, 1, learning_rate_scale=0.5), epochs=2)
    first.fit(module(), data(rendered))
    first.save_checkpoint(tmp_path / "two.ckpt")
    before = torch.load(tmp_path / "two.ckpt", weights_only=True)["state_dict"]
    more, model = trainer(tmp_path, epochs=3), module()
    more.fit(model, data(rendered), ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    held = [name for name in before if name.endswith((".low", ".high", "running_mean", "running_var"))]
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in held), "ranges and norms stay fixed"
    assert not same(model.state_dict(), before)
    assert more.optimizers[0].param_groups[0]["initial_lr"] == 0.0015


def test_best_checkpoints_are_chosen_anew(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    """The quantized network is saved though no validation of it comes up to the float network's best."""

    class Falling(pl.Callback):
        def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            pl_module.log("falling", float(-trainer.current_epoch))

    save = ModelCheckpoint(tmp_path, "{epoch}", monitor="falling", mode="max")
    trainer(tmp_path, qat(2, 3, 3), Falling(), save, epochs=4).fit(module(), data(rendered))
    assert sorted(path.name for path in tmp_path.glob("epoch*.ckpt")) == ["epoch=0.ckpt", "epoch=2.ckpt"]
    assert save.best_model_path.endswith("epoch=2.ckpt")


def test_a_checkpoint_from_before_the_first_quantized_validation_is_read(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    best = ModelCheckpoint(tmp_path, "best", monitor="val/AP", mode="max")
    last = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6, save_top_k=-1)
    trainer(tmp_path, qat(1, 2, 2), best, last, epochs=2).fit(module(), data(rendered))
    stopped, ended = (load_source(tmp_path / name) for name in ("step=6.ckpt", "best.ckpt"))
    assert is_prepared(stopped.network)
    assert stopped.facts.keys() == {"epoch", "global_step", "weights"}, "nothing of the float network's figures"
    assert ended.facts["monitor"] == "val/AP"


@pytest.fixture(scope="module")
def quantized(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The checkpoint of a short fit."""
    folder = tmp_path_factory.mktemp("quantized")
    fit = trainer(folder, qat(0), epochs=1, limit_train_batches=2)
    fit.fit(module(), data(rendered))
    fit.save_checkpoint(folder / "quantized.ckpt")
    return folder / "quantized.ckpt"


@pytest.mark.parametrize("callbacks", [[], [qat(1)]], ids=["alone", "with the callback"])
def test_a_fit_starts_from_a_quantized_network(
    callbacks: list[pl.Callback],
    module: MakeModule,
    data: MakeData,
    trainer: MakeTrainer,
    quantized: Path,
    rendered: Path,
    tmp_path: Path,
) -> None:
    saved = torch.load(quantized, weights_only=True)["state_dict"]
    model, seen = module(init_from=str(quantized)), Steps()
    fit = trainer(tmp_path, *callbacks, average(), seen, epochs=2, limit_train_batches=1)
    fit.fit(model, data(rendered))
    assert is_prepared(model.network)
    assert seen.weights[0].keys() == saved.keys()
    batches = {name: int(value) for name, value in seen.weights[0].items() if name.endswith(".batches")}
    assert all(count == int(saved[name]) + 1 for name, count in batches.items()), "ranges go on from the file's"


@pytest.mark.parametrize("scope", ["backbone", "matching"])
def test_other_scopes_take_the_weights_alone(
    scope: Any,
    module: MakeModule,
    data: MakeData,
    trainer: MakeTrainer,
    quantized: Path,
    rendered: Path,
    tmp_path: Path,
) -> None:
    model = module(init_from=str(quantized), init_scope=scope)
    trainer(tmp_path).validate(model, data(rendered), verbose=False)
    assert not is_prepared(model.network)
    saved = torch.load(quantized, weights_only=True)["state_dict"]
    own = model.state_dict()
    taken = [name for name in own if name.startswith("network.backbone" if scope == "backbone" else "network")]
    assert all(torch.equal(own[name], saved[name]) for name in taken)


def test_another_spec_than_the_checkpoints_is_refused(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, quantized: Path, rendered: Path, tmp_path: Path
) -> None:
    other = qat(0, spec=QuantizationSpec(activation_bits=16))
    with pytest.raises(ElifPoseError, match="activation_bits: 8, not 16"):
        trainer(tmp_path, other).fit(module(), data(rendered), ckpt_path=quantized, weights_only=True)
    with pytest.raises(ElifPoseError, match="activation_bits: 8, not 16"):
        trainer(tmp_path, qat(0, spec=other.spec)).fit(module(init_from=str(quantized)), data(rendered))


def test_a_float_checkpoint_makes_a_quantized_module_float(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, quantized: Path, rendered: Path, tmp_path: Path
) -> None:
    plain = trainer(tmp_path, epochs=1, limit_train_batches=1)
    plain.fit(module(), data(rendered))
    plain.save_checkpoint(tmp_path / "float.ckpt")
    model = module()
    for path, prepared in ((quantized, True), (tmp_path / "float.ckpt", False)):
        trainer(tmp_path).validate(model, data(rendered), ckpt_path=path, weights_only=True, verbose=False)
        assert is_prepared(model.network) == prepared
