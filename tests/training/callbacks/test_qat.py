"""Quantization in the middle of a fit.

Lightning once had such a callback, and removed it: it quantized at the start of the fit only, it wrapped the module's
``forward``, its checkpoints could not be loaded without it, and testing one failed. Each of these has a test here.
"""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import AdamW

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec, is_prepared, quantizers
from elifpose.quantization.spec import Observer
from elifpose.training import ElifPoseModule, PosePrediction
from elifpose.training.callbacks import ExponentialMovingAverage, QATCallback
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)
OBSERVERS: tuple[Observer, ...] = ("minmax", "learned")


def module(**arguments: Any) -> ElifPoseModule:
    torch.manual_seed(0)
    network = PoseEstimator(
        CSPNeXt(0.167, 0.125, out_stages=(3,)), RTMCCHead(64, 26, SIZE, hidden_dims=32, stride=16)
    )
    options: dict[str, Any] = {"optimizer": partial(AdamW, lr=0.003), "learning_rate_rule": "constant"}
    return ElifPoseModule(network, SimCC(SIZE), **options, **arguments)


def data(root: Path, val: str = "rendered") -> PoseDataModule:
    train, validated = (
        {name: PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for name, split in (("rendered", "train2017"), (val, "val2017"))
    )
    augmentation: dict[str, Any] = {"geometry": GeometricTransform(), "photometric": PhotometricAugment()}
    return PoseDataModule(
        train, validated, root=str(root), input_size=SIZE, batch_size=4, num_workers=0, **augmentation
    )


def trainer(folder: Path, *callbacks: pl.Callback, epochs: int = 2, **options: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        **(quiet | {"enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks)} | options),
    )


def qat(start: float = 1, stop: float = 2, freeze: float = 3, **arguments: Any) -> QATCallback:
    return QATCallback(start, stop, freeze, calibration_batches=2, **arguments)


def average() -> ExponentialMovingAverage:
    return ExponentialMovingAverage(momentum=0.1, gamma=4.0)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Steps(pl.Callback):
    """Keeps what each step saw and left behind."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.people: list[Tensor] = []
        self.images: list[Tensor] = []
        self.losses: list[Tensor] = []
        self.weights: list[dict[str, Tensor]] = []
        self.random: list[Tensor] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.random.append(torch.get_rng_state())

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any) -> None:
        self.epochs.append(trainer.current_epoch)
        self.people.append(arguments[1].sample_indices)
        self.images.append(arguments[1].images)
        self.losses.append(trainer.callback_metrics["train/loss"].clone())
        self.weights.append(copy.deepcopy(pl_module.state_dict()))


class Validated(pl.Callback):
    """Keeps the last validation's figures and weights."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}
        self.history: list[set[str]] = []

    def on_validation_batch_end(self, *arguments: Any) -> None:
        self.weights = copy.deepcopy(arguments[1].state_dict())

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.figures = {k: float(value) for k, value in trainer.callback_metrics.items() if k.startswith("val/")}
        self.history.append(set(self.figures))


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


def test_no_step_before_the_start_differs(rendered: Path, tmp_path: Path) -> None:
    with_callback, without, seen = Steps(), Steps(), Validated()
    trainer(tmp_path, qat(), average(), with_callback, seen).fit(module(), data(rendered))
    trainer(tmp_path, average(), without).fit(module(), data(rendered))
    before = [step for step, epoch in enumerate(without.epochs) if epoch == 0]
    assert 3 < len(before) < len(without.epochs)
    for step in before:
        assert torch.equal(with_callback.losses[step], without.losses[step])
        assert same(with_callback.weights[step], without.weights[step])
    assert not torch.equal(with_callback.losses[-1], without.losses[-1])
    for name in ("people", "images", "random"):
        for mine, theirs in zip(getattr(with_callback, name), getattr(without, name), strict=True):
            assert torch.equal(mine, theirs), f"{name}: calibration touches no loader and no random stream"
    assert "val/int8/AP" not in seen.history[0]
    assert {"val/AP", "val/int8/AP", "val/int8/rendered/AP"} <= seen.history[1]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_parameters_and_the_optimizers_state_survive(observer: Observer, rendered: Path, tmp_path: Path) -> None:
    class Insertion(pl.Callback):
        def __init__(self) -> None:
            self.before: dict[str, nn.Parameter] = {}
            self.state: dict[str, Any] = {}

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            if trainer.current_epoch == 0:
                self.before = dict(pl_module.named_parameters())
                self.state = copy.deepcopy(trainer.optimizers[0].state_dict()["state"])

        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any) -> None:
            if trainer.current_epoch == 1 and arguments[1] == 0:
                now = dict(pl_module.named_parameters())
                assert all(now[name] is parameter for name, parameter in self.before.items())
                assert all(name.endswith(("log_scale", "zero_point")) for name in now.keys() - self.before.keys())
                state = trainer.optimizers[0].state_dict()["state"]
                assert state.keys() == self.state.keys()
                assert all(same(state[index], self.state[index]) for index in state)

    fit = trainer(tmp_path, qat(spec=QuantizationSpec(observer=observer)), watch := Insertion())
    model = module()
    fit.fit(model, data(rendered))
    assert watch.state
    decays, free, *learned = fit.optimizers[0].param_groups
    assert decays["lr"] == free["lr"] < 0.003
    assert len(learned) == (observer == "learned")
    for group in learned:
        assert {id(parameter) for parameter in group["params"]} == set(map(id, model.quantization.learned_steps()))
        assert group["lr"] == decays["lr"]
        assert group["weight_decay"] == 0
        assert all(p in fit.optimizers[0].state for p in group["params"]), "they are learned"


@pytest.mark.parametrize(("weights_only", "fit_precision"), [(True, "32-true"), (False, "bf16-mixed")])
@pytest.mark.parametrize("observer", OBSERVERS)
def test_what_was_validated_is_what_is_saved(
    weights_only: bool,
    fit_precision: str,
    observer: Observer,
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


def test_the_average_of_learned_steps_starts_with_them(rendered: Path, tmp_path: Path) -> None:
    """And not from what a new parameter happens to be."""
    steps, model = Steps(), module()
    spec = QuantizationSpec(observer="learned")
    trainer(tmp_path, qat(1, spec=spec), average(), steps).fit(model, data(rendered))
    for name, averaged in model.state_dict().items():
        if name.endswith("log_scale"):
            learned = torch.stack([weights[name] for weights in steps.weights if name in weights])
            assert learned.min() - 0.01 <= averaged <= learned.max() + 0.01, name


def test_forward_is_not_wrapped(rendered: Path, tmp_path: Path) -> None:
    model = module()
    trainer(tmp_path, qat(0), epochs=1).fit(model, data(rendered))
    assert all("forward" not in vars(part) for part in model.modules())
    assert type(model.network).forward is PoseEstimator.forward


def test_a_fitted_module_is_tested_and_read_from_its_file(rendered: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("name", ["epoch=0", "epoch=1", "epoch=2"])
def test_a_resumed_fit_is_the_uninterrupted_one(
    name: str, observer: Observer, rendered: Path, tmp_path: Path
) -> None:
    """From before the start, and with moving and with fixed ranges."""

    def fit(folder: Path, *more: pl.Callback, ckpt_path: Path | None = None) -> tuple[dict[str, Any], list[Tensor]]:
        callback = qat(1, 2, 3, spec=QuantizationSpec(observer=observer), learning_rate_scale=0.5)
        steps = Steps()
        full = trainer(folder, callback, average(), steps, *more, epochs=4)
        full.fit(module(), data(rendered), ckpt_path=ckpt_path, weights_only=True)
        full.save_checkpoint(folder / "end.ckpt")
        return torch.load(folder / "end.ckpt", weights_only=True), steps.losses

    by_epoch = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    expected, losses = fit(tmp_path / "whole", by_epoch)
    resumed, again = fit(tmp_path / "resumed", ckpt_path=tmp_path / f"{name}.ckpt")
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
def test_a_fit_resumed_in_mid_epoch_is_quantized_at_once(rendered: Path, tmp_path: Path) -> None:
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


def test_a_fit_goes_on_without_the_callback(rendered: Path, tmp_path: Path) -> None:
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


def test_ranges_and_norms_stop_when_they_shall(rendered: Path, tmp_path: Path) -> None:
    steps = Steps()
    trainer(tmp_path, qat(0, 1, 2), steps, epochs=4, check_val_every_n_epoch=1).fit(module(), data(rendered))

    def moved(ending: str, epoch: int) -> bool:
        first, *_, last = (weights for weights, of in zip(steps.weights, steps.epochs, strict=True) if of == epoch)
        return any(not torch.equal(first[name], last[name]) for name in first if name.endswith(ending))

    assert [moved(".low", epoch) for epoch in range(4)] == [True, False, False, False]
    assert [moved("running_var", epoch) for epoch in range(4)] == [True, True, False, False]
    assert all(moved("conv.weight", epoch) for epoch in range(4))


@pytest.mark.parametrize(
    "options", [{"precision": "bf16-mixed"}, {"accumulate_grad_batches": 2}, {"gradient_clip_val": 0.1}], ids=str
)
@pytest.mark.parametrize("observer", OBSERVERS)
def test_it_trains_with_the_trainers_other_options(
    options: dict[str, Any], observer: Observer, rendered: Path, tmp_path: Path
) -> None:
    seen, steps, model = Validated(), Steps(), module()
    spec = QuantizationSpec(observer=observer)
    trainer(tmp_path, qat(0.5, 0.75, 0.75, spec=spec), seen, steps, epochs=4, **options).fit(model, data(rendered))
    assert all(torch.isfinite(loss) for loss in steps.losses)
    assert "val/int8/AP" in seen.figures
    first = next(weights for weights in steps.weights if any(name.endswith(".low") for name in weights))
    learned = [name for name in first if name.endswith("log_scale")]
    assert bool(learned) == (observer == "learned")
    still = [name for name in learned if torch.equal(first[name], steps.weights[-1][name])]
    assert len(still) <= len(learned) / 20, "where a gradient is next to nothing"
    assert all(value.dtype == torch.float32 for name, value in first.items() if name.endswith((".low", "weight")))


def test_best_checkpoints_are_chosen_anew(rendered: Path, tmp_path: Path) -> None:
    """The quantized network is saved though no validation of it comes up to the float network's best."""

    class Falling(pl.Callback):
        def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            pl_module.log("falling", float(-trainer.current_epoch))

    save = ModelCheckpoint(tmp_path, "{epoch}", monitor="falling", mode="max")
    trainer(tmp_path, qat(2, 3, 3), Falling(), save, epochs=4).fit(module(), data(rendered))
    assert sorted(path.name for path in tmp_path.glob("epoch*.ckpt")) == ["epoch=0.ckpt", "epoch=2.ckpt"]
    assert save.best_model_path.endswith("epoch=2.ckpt")


def test_the_float_networks_precision_is_logged_once(rendered: Path, tmp_path: Path) -> None:
    class Kept(pl.loggers.CSVLogger):
        def __init__(self) -> None:
            super().__init__(tmp_path)
            self.kept: list[tuple[float, int | None]] = []

        def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
            self.kept += [(value, step) for key, value in metrics.items() if key == "val/float/AP"]

    for start, logged in ((0, Kept()), (1, Kept())):
        seen = Validated()
        model = module()
        (of_start,) = trainer(tmp_path).validate(model, data(rendered), verbose=False)
        fit = trainer(tmp_path, seen, qat(start), epochs=2, logger=logged, limit_train_batches=2, log_every_n_steps=1)
        fit.fit(model, data(rendered))
        ((value, step),) = logged.kept
        assert step == 2 * start
        assert start or value == of_start["val/AP"], "measured where no validation came before"


@pytest.mark.parametrize("every", [0, 2])
def test_integers_are_measured_at_each_nth_validation(every: int, rendered: Path, tmp_path: Path) -> None:
    class Counted(QATCallback):
        def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            super().on_validation_start(trainer, pl_module)
            measured.append(self._integer is not None)

    measured: list[bool] = []
    callback = Counted(1, 2, 3, 1, int8_every_n_validations=every)
    trainer(tmp_path, callback, epochs=5, limit_train_batches=1).fit(module(), data(rendered))
    assert measured == [False, False, every == 2, False, every == 2]


@pytest.fixture
def quantized(rendered: Path, tmp_path: Path) -> Path:
    """The checkpoint of a short fit."""
    fit = trainer(tmp_path, qat(0), epochs=1, limit_train_batches=2)
    fit.fit(module(), data(rendered))
    fit.save_checkpoint(tmp_path / "quantized.ckpt")
    return tmp_path / "quantized.ckpt"


@pytest.mark.parametrize("callbacks", [[], [qat(1)]], ids=["alone", "with the callback"])
def test_a_fit_starts_from_a_quantized_network(
    callbacks: list[pl.Callback], quantized: Path, rendered: Path, tmp_path: Path
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
def test_other_scopes_take_the_weights_alone(scope: Any, quantized: Path, rendered: Path, tmp_path: Path) -> None:
    model = module(init_from=str(quantized), init_scope=scope)
    trainer(tmp_path).validate(model, data(rendered), verbose=False)
    assert not is_prepared(model.network)
    saved = torch.load(quantized, weights_only=True)["state_dict"]
    own = model.state_dict()
    taken = [name for name in own if name.startswith("network.backbone" if scope == "backbone" else "network")]
    assert all(torch.equal(own[name], saved[name]) for name in taken)


def test_another_spec_than_the_checkpoints_is_refused(quantized: Path, rendered: Path, tmp_path: Path) -> None:
    other = qat(0, spec=QuantizationSpec(activation_bits=16))
    with pytest.raises(ElifPoseError, match="activation_bits: 8, not 16"):
        trainer(tmp_path, other).fit(module(), data(rendered), ckpt_path=quantized, weights_only=True)
    with pytest.raises(ElifPoseError, match="activation_bits: 8, not 16"):
        trainer(tmp_path, qat(0, spec=other.spec)).fit(module(init_from=str(quantized)), data(rendered))


def test_a_float_checkpoint_makes_a_quantized_module_float(quantized: Path, rendered: Path, tmp_path: Path) -> None:
    plain = trainer(tmp_path, epochs=1, limit_train_batches=1)
    plain.fit(module(), data(rendered))
    plain.save_checkpoint(tmp_path / "float.ckpt")
    model = module()
    for path, prepared in ((quantized, True), (tmp_path / "float.ckpt", False)):
        trainer(tmp_path).validate(model, data(rendered), ckpt_path=path, weights_only=True, verbose=False)
        assert is_prepared(model.network) == prepared


def test_integers_of_a_float_network_are_refused(rendered: Path, tmp_path: Path) -> None:
    model = module()
    model.precision = "int8"
    with pytest.raises(ElifPoseError, match=r"the network is a float one.*QATCallback"):
        trainer(tmp_path).validate(model, data(rendered), verbose=False)


@pytest.mark.parametrize(
    ("callback", "epochs", "expected"),
    [
        (qat(4), 4, "start is epoch 4, and the fit's last is 3"),
        (qat(0.5, 0.25), 4, "neither may come before the start"),
        (qat(0.5), -1, "no last epoch"),
        (qat(0, spec=QuantizationSpec(float_layers=("head.gao",))), 4, "head.gao"),
    ],
)
def test_what_cannot_be_is_told_before_the_first_step(
    callback: QATCallback, epochs: int, expected: str, rendered: Path, tmp_path: Path
) -> None:
    steps = Steps()
    with pytest.raises(ElifPoseError, match=expected):
        trainer(tmp_path, callback, steps, epochs=epochs).fit(module(), data(rendered))
    assert not steps.losses


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": -0.1},
        {"start": 1.5},
        {"stop_observing": float("nan")},
        {"calibration_batches": 0},
        {"learning_rate_scale": 0.0},
        {"int8_every_n_validations": -1},
    ],
    ids=str,
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match=f"QATCallback: .*{next(iter(arguments))}"):
        QATCallback(**arguments)


def test_a_compiled_network_is_refused(rendered: Path, tmp_path: Path) -> None:
    model = module()
    model.network.backbone.compile(backend="eager")
    with pytest.raises(ElifPoseError, match=r"without\s+torch\.compile"):
        trainer(tmp_path, qat(0)).fit(model, data(rendered))


def test_data_sets_have_other_names_than_the_tags(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="val/int8/AP"):
        trainer(tmp_path, qat(0)).fit(module(), data(rendered, val="int8"))


def test_ranges_that_are_not_finite_are_told(rendered: Path, tmp_path: Path) -> None:
    model = module()
    model.network.head.mlp[0].g.data.fill_(float("nan"))  # type: ignore[operator]
    with pytest.raises(ElifPoseError, match="not finite"):
        trainer(tmp_path, qat(0), limit_val_batches=0).fit(model, data(rendered))


def test_a_fit_that_ends_too_early_says_so(rendered: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="ended before epoch 1: nothing was quantized"):
        trainer(tmp_path, qat(1), max_steps=1, limit_val_batches=0).fit(module(), data(rendered))


def test_calibration_sees_the_float_networks_ranges(rendered: Path, tmp_path: Path) -> None:
    """Against ranges read off the float network by hooks, on the same people."""

    class Compare(pl.Callback):
        done = False

        def on_train_batch_start(self, _trainer: pl.Trainer, pl_module: pl.LightningModule, *_batch: Any) -> None:
            self.done = True
            assert isinstance(pl_module, ElifPoseModule)
            float_network = module().network.eval()
            highs: dict[str, list[float]] = {}
            for name, _ in quantizers(pl_module.network):
                float_network.get_submodule(name).register_forward_hook(
                    lambda _m, _i, output, name=name: highs.setdefault(name, []).append(max(0.0, float(output.max())))
                )
            for batch in data_module.calibration_dataloader(2, epoch=0):
                with torch.no_grad():
                    float_network(batch.images)
            for point, quantizer in quantizers(pl_module.network):
                assert float(quantizer.high) == pytest.approx(sum(highs[point]) / 2, rel=1e-5), point

    data_module, watch = data(rendered), Compare()
    trainer(tmp_path, qat(0), watch, epochs=1, limit_train_batches=1).fit(module(), data_module)
    assert watch.done
