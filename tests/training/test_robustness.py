import csv
import io
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.corruption import Corruption
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation.set_evaluator import SetEvaluation, SetEvaluator
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import PoseBatch
from elifpose.training.module import ElifPoseModule
from elifpose.training.robustness import RobustnessRow, measure_robustness, robustness_csv, robustness_table

SIZE = (64, 64)
SHIFT, BLUR = Corruption("shift", 0.2), Corruption("blur", 2.0)


@pytest.fixture
def data(rendered: Path) -> PoseDataModule:
    sets = {
        name: PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")
        for name, split in (("a", "val2017"), ("b", "train2017"))
    }
    return PoseDataModule(sets, sets, root=str(rendered), input_size=SIZE, batch_size=4, num_workers=0)


class Memory(pl.LightningModule):
    """Stands for a network that says of everyone what is right in the undisturbed crop, whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.evaluations: dict[str, SetEvaluation] = {}
        self.validations = 0

    @property
    def data(self) -> PoseDataModule:
        datamodule = getattr(self.trainer, "datamodule")  # noqa: B009 - mypy knows no such attribute
        assert isinstance(datamodule, PoseDataModule)
        return datamodule

    def on_validation_epoch_start(self) -> None:
        self.validations += 1
        self.evaluators = [
            SetEvaluator(self.data.skeleton, data_set.ground_truth()) for data_set in self.data.val_sets.values()
        ]

    def validation_step(self, batch: PoseBatch, _: int, dataloader_idx: int = 0) -> None:
        data_set = list(self.data.val_sets.values())[dataloader_idx]
        known = np.stack([data_set[index].keypoints_input for index in batch.sample_indices.tolist()])
        self.evaluators[dataloader_idx].update(torch.tensor(known), torch.ones(known.shape[:2]), batch)

    def on_validation_epoch_end(self) -> None:
        self.evaluations = {
            name: of_set.evaluate() for name, of_set in zip(self.data.val_sets, self.evaluators, strict=True)
        }
        self.log("val/AP", torch.tensor(self.evaluations["a"].figures["AP"]))


class Witness(pl.Callback):
    """Counts what it is told of."""

    def __init__(self) -> None:
        self.validations = 0

    def on_validation_end(self, *_: pl.Trainer | pl.LightningModule) -> None:
        self.validations += 1


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        default_root_dir=folder,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **{"logger": False, **options},
    )


def average_precision(data: PoseDataModule, name: str, corruption: Corruption) -> float:
    """COCO's AP of `Memory` on a disturbed set, by pycocotools."""
    plain = data.val_sets[name]
    truth = COCO()
    truth.dataset = {"info": {}} | plain.ground_truth()  # pycocotools 2.0.10 asks for it
    truth.createIndex()
    results = []
    for before, after in zip(plain, plain.corrupted(corruption), strict=True):  # type: ignore[call-overload]
        linear, offset = after.input_to_image[:, :2], after.input_to_image[:, 2]
        points = before.keypoints_input @ linear.T + offset
        keypoints = np.concatenate((points, np.ones((26, 1))), axis=1).ravel().tolist()
        results.append({"image_id": after.image_id, "category_id": 1, "keypoints": keypoints, "score": 1.0})
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(data.skeleton.sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def test_rows_say_what_a_disturbance_costs(
    data: PoseDataModule, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Memory()
    rows = measure_robustness(trainer(tmp_path), cast("ElifPoseModule", model), data, (SHIFT, BLUR))
    assert [(row.data_set, row.corruption) for row in rows] == [
        (name, corruption) for name in "ab" for corruption in (None, SHIFT, BLUR)
    ]
    for undisturbed, shifted, blurred in (rows[:3], rows[3:]):
        assert undisturbed[2:] == blurred[2:]
        assert undisturbed.ap == pytest.approx(1.0)
        assert (undisturbed.change, undisturbed.pck) == (0.0, 1.0)
        expected = average_precision(data, shifted.data_set, SHIFT)
        assert shifted.ap == pytest.approx(expected, abs=1e-6)
        assert shifted.change == pytest.approx(expected - 1.0, abs=1e-6)
        assert expected < 0.9
        assert shifted.pck is not None
        assert shifted.pck < 1
    capsys.readouterr()


def test_callbacks_and_loggers_see_nothing_and_all_is_as_before(
    data: PoseDataModule, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, witness = Memory(), Witness()
    used = trainer(tmp_path, callbacks=[witness], logger=CSVLogger(tmp_path))
    used.validate(model, datamodule=data, verbose=False)
    written = {path: path.read_text() for path in tmp_path.rglob("*.csv")}
    callbacks, loggers = list(used.callbacks), list(used.loggers)  # type: ignore[attr-defined]
    capsys.readouterr()
    measure_robustness(used, cast("ElifPoseModule", model), data, (SHIFT,))
    assert model.validations == 1 + 2
    assert witness.validations == 1
    assert {path: path.read_text() for path in tmp_path.rglob("*.csv")} == written
    assert (list(used.callbacks), list(used.loggers)) == (callbacks, loggers)  # type: ignore[attr-defined]
    assert data.corruption is None
    assert model.evaluations["a"].figures["AP"] == pytest.approx(1.0)  # undisturbed
    assert float(used.callback_metrics["val/AP"]) == pytest.approx(1.0)
    assert "Validat" not in capsys.readouterr().out


def test_an_error_leaves_nothing_disturbed(data: PoseDataModule, tmp_path: Path) -> None:
    class Failing(Memory):
        def validation_step(self, *_: PoseBatch | int) -> None:
            raise KeyError("broken")

    witness = Witness()
    used = trainer(tmp_path, callbacks=[witness], enable_progress_bar=False)
    with pytest.raises(KeyError, match="broken"):
        measure_robustness(used, cast("ElifPoseModule", Failing()), data, (SHIFT,))
    assert data.corruption is None
    assert used.callbacks == [witness]  # type: ignore[attr-defined]


def test_the_undisturbed_row_is_the_validation(data: PoseDataModule, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    model = ElifPoseModule(network, SimCC(SIZE))
    used = trainer(tmp_path, enable_progress_bar=False)
    used.validate(model, datamodule=data, verbose=False)
    plain: dict[str, Tensor] = dict(used.callback_metrics)
    rows = measure_robustness(used, model, data, (Corruption("occlusion", 0.5),))
    for row in rows:
        if row.corruption is None:
            assert row.ap == float(plain[f"val/{row.data_set}/AP"])
            assert row.pck == float(plain[f"val/{row.data_set}/PCK@0.1"])
    assert len({row.pck for row in rows}) == 4


ROWS = [
    RobustnessRow("coco", None, 0.75, 0.0, 0.9),
    RobustnessRow("coco", SHIFT, 0.5, -0.25, None),
    RobustnessRow("own", None, 1 / 3, 0.0, 0.5),
]


def test_the_table_has_a_section_for_each_set() -> None:
    console = Console(width=90)
    with console.capture() as capture:
        console.print(robustness_table(ROWS))
    lines = capture.get().splitlines()
    (shift,) = (line for line in lines if "box shifted by up to 20%" in line)
    assert [cell.strip() for cell in shift.strip("│").split("│")] == [
        "",
        "box shifted by up to 20%",
        "0.500",
        "-0.250",
        "–",
    ]
    assert sum("undisturbed" in line for line in lines) == 2
    assert sum(set(line) <= set("├─┼┤") for line in lines) == 1  # between the two sets
    assert "-1" not in capture.get()


def test_the_csv_holds_every_digit() -> None:
    header, *read = csv.reader(io.StringIO(robustness_csv(ROWS)))
    assert header == ["data_set", "corruption", "level", "AP", "AP_change", "PCK@0.1"]
    assert read[0] == ["coco", "", "", "0.75", "0.0", "0.9"]
    assert read[1] == ["coco", "shift", "0.2", "0.5", "-0.25", ""]
    assert float(read[2][3]) == 1 / 3
