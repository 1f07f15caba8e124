"""Quantization in the middle of a fit.

Lightning once had such a callback, and removed it: it quantized at the start of the fit only, it wrapped the module's
``forward``, its checkpoints could not be loaded without it, and testing one failed. Each of these has a test here or
in ``test_qat_checkpoints.py``.
"""

import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from qat_fits import OBSERVERS, MakeData, MakeModule, MakeTrainer, Steps, Validated, average, qat, same
from torch import nn

from elifpose.models import PoseEstimator
from elifpose.quantization import QuantizationSpec, quantizers
from elifpose.quantization.spec import Observer
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import QATCallback


def test_no_step_before_the_start_differs(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
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
def test_parameters_and_the_optimizers_state_survive(
    observer: Observer, module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
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


def test_the_average_of_learned_steps_starts_with_them(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    """And not from what a new parameter happens to be."""
    steps, model = Steps(), module()
    spec = QuantizationSpec(observer="learned")
    trainer(tmp_path, qat(1, spec=spec), average(), steps).fit(model, data(rendered))
    for name, averaged in model.state_dict().items():
        if name.endswith("log_scale"):
            learned = torch.stack([weights[name] for weights in steps.weights if name in weights])
            assert learned.min() - 0.01 <= averaged <= learned.max() + 0.01, name


def test_forward_is_not_wrapped(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    model = module()
    trainer(tmp_path, qat(0), epochs=1).fit(model, data(rendered))
    assert all("forward" not in vars(part) for part in model.modules())
    assert type(model.network).forward is PoseEstimator.forward


def test_ranges_and_norms_stop_when_they_shall(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
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
    options: dict[str, Any],
    observer: Observer,
    module: MakeModule,
    data: MakeData,
    trainer: MakeTrainer,
    rendered: Path,
    tmp_path: Path,
) -> None:
    seen, steps, model = Validated(), Steps(), module()
    spec = QuantizationSpec(observer=observer)
    fit = trainer(tmp_path, qat(1, 3, 3, spec=spec), seen, steps, epochs=4, **options)
    fit.fit(model, data(rendered))
    assert all(torch.isfinite(loss) for loss in steps.losses)
    assert "val/int8/AP" in seen.figures
    first = next(weights for weights in steps.weights if any(name.endswith(".low") for name in weights))
    learned = [name for name in first if name.endswith("log_scale")]
    assert bool(learned) == (observer == "learned")
    still = [name for name in learned if torch.equal(first[name], steps.weights[-1][name])]
    assert len(still) <= len(learned) / 20, "where a gradient is next to nothing"
    assert all(value.dtype == torch.float32 for name, value in first.items() if name.endswith((".low", "weight")))


def test_the_float_networks_precision_is_logged_once(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
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
def test_integers_are_measured_at_each_nth_validation(
    every: int, module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    class Counted(QATCallback):
        def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            super().on_validation_start(trainer, pl_module)
            measured.append(self._integer is not None)

    measured: list[bool] = []
    callback = Counted(1, 2, 3, 1, int8_every_n_validations=every)
    trainer(tmp_path, callback, epochs=5, limit_train_batches=1).fit(module(), data(rendered))
    assert measured == [False, False, every == 2, False, every == 2]


def test_calibration_sees_the_float_networks_ranges(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
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
