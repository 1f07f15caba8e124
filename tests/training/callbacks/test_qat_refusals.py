"""What quantization in the middle of a fit cannot do, and says."""

from pathlib import Path
from typing import Any

import pytest
from qat_fits import MakeData, MakeModule, MakeTrainer

from elifpose.quantization import QuantizationSpec
from elifpose.training.callbacks import QATCallback
from elifpose.utils.errors import ElifPoseError


def test_integers_of_a_float_network_are_refused(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    model = module()
    model.precision = "int8"
    with pytest.raises(ElifPoseError, match=r"the network is a float one.*QATCallback"):
        trainer(tmp_path).validate(model, data(rendered), verbose=False)


@pytest.mark.parametrize(
    ("callback", "epochs", "expected"),
    [
        (QATCallback(4), 4, "start is epoch 4, and the fit's last is 3"),
        (QATCallback(0.5, 0.25), 4, "neither may come before the start"),
        (QATCallback(0.5), -1, "no last epoch"),
        (QATCallback(0, spec=QuantizationSpec(float_layers=("head.gao",))), 4, "head.gao"),
    ],
)
def test_what_cannot_be_is_told_before_the_first_step(
    callback: QATCallback,
    epochs: int,
    expected: str,
    module: MakeModule,
    data: MakeData,
    trainer: MakeTrainer,
    rendered: Path,
    tmp_path: Path,
) -> None:
    fit = trainer(tmp_path, callback, epochs=epochs)
    with pytest.raises(ElifPoseError, match=expected):
        fit.fit(module(), data(rendered))
    assert fit.global_step == 0


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


def test_a_compiled_network_is_refused(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    model = module()
    model.network.backbone.compile(backend="eager")
    with pytest.raises(ElifPoseError, match=r"without\s+torch\.compile"):
        trainer(tmp_path, QATCallback(0)).fit(model, data(rendered))


def test_ranges_that_are_not_finite_are_told(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    model = module()
    model.network.head.mlp[0].g.data.fill_(float("nan"))  # type: ignore[operator]
    with pytest.raises(ElifPoseError, match="not finite"):
        trainer(tmp_path, QATCallback(0), limit_val_batches=0).fit(model, data(rendered))


def test_a_fit_that_ends_too_early_says_so(
    module: MakeModule, data: MakeData, trainer: MakeTrainer, rendered: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="ended before epoch 1: nothing was quantized"):
        trainer(tmp_path, QATCallback(1), max_steps=1, limit_val_batches=0).fit(module(), data(rendered))
