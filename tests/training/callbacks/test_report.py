import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation import coco_keypoint_figures
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import get_skeleton
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks import Report
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


def annotated(root: Path) -> dict[str, Any]:
    """The rendered people to validate on, who all have keypoints."""
    document: dict[str, Any] = json.loads((root / "annotations/person_keypoints_val2017.json").read_text())
    return document


def module() -> ElifPoseModule:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    return ElifPoseModule(network, SimCC(SIZE))


def data(root: Path, test: Path | None = None) -> PoseDataModule:
    """Rendered people to train and validate on, and perhaps other annotations of these to test on."""
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    other = None if test is None else {"hidden": PoseSet(str(test), "val2017", "halpe26")}
    return PoseDataModule(train, val, other, root=str(root), input_size=SIZE, batch_size=4, num_workers=0)


def trainer(folder: Path, **arguments: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    quiet |= {"num_sanity_val_steps": 1, "use_distributed_sampler": False, "enable_checkpointing": False}
    return pl.Trainer(accelerator="cpu", devices=1, default_root_dir=folder, **quiet, **arguments)


def test_a_validation_prints_and_writes_its_figures(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    run, datamodule = trainer(tmp_path / "run", callbacks=[Report(bootstrap=20)]), data(rendered)
    run.validate(module(), datamodule, verbose=False)
    found = json.loads(Path("run/rendered_results.json").read_text())
    people = len(annotated(rendered)["annotations"])
    assert len(found) == people
    truth = datamodule.val_sets["rendered"].ground_truth()
    expected = coco_keypoint_figures(truth, found, get_skeleton("halpe26").sigmas)
    of_set = json.loads(Path("run/metrics.json").read_text())["sets"]["rendered"]
    figures = [-1.0 if value is None else value for value in of_set["figures"].values()]
    assert figures[:10] == pytest.approx(expected, abs=1e-9)
    assert of_set["figures"]["EPE"] == float(run.callback_metrics["val/rendered/EPE"])
    assert of_set["AP_interval"]["replicates"] == 20
    lines = list(csv.DictReader(Path("run/per_keypoint.csv").read_text().splitlines()))
    assert [line["keypoint"] for line in lines] == list(get_skeleton("halpe26").keypoints)
    text = capsys.readouterr().out
    assert f"rendered: {people} people" in text
    assert f"{of_set['figures']['EPE']:.3f} image pixels" in text
    assert "left_big_toe" in text
    for name in ("metrics.json", "per_keypoint.csv", "rendered_results.json"):
        assert f"\n  run/{name}\n" in text, "as one would type it"


def test_a_test_of_people_without_keypoints_writes_what_to_submit(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = annotated(rendered)
    people = len(document["annotations"])
    for person in document["annotations"]:
        person.update(keypoints=[0] * 26 * 3, num_keypoints=0)
    (tmp_path / "hidden.json").write_text(json.dumps(document))
    trainer(tmp_path, callbacks=[Report()]).test(module(), data(rendered, tmp_path / "hidden.json"), verbose=False)
    assert len(json.loads((tmp_path / "hidden_results.json").read_text())) == people
    assert json.loads((tmp_path / "metrics.json").read_text())["sets"]["hidden"]["figures"] == {}
    assert not (tmp_path / "per_keypoint.csv").exists()
    assert f"hidden: nobody is annotated, so there are no figures of the {people} predicted people" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.filterwarnings("ignore:You are using a custom batch sampler")
def test_a_prediction_writes_keypoints_and_confidences(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = module()
    model.calibration = ScoreCalibration(temperature=0.5, offset=0.25)
    run = trainer(tmp_path, callbacks=[Report()])
    run.predict(model, data(rendered), return_predictions=False)
    names = {"rendered_results.json", "rendered_predictions.json", "rendered_predictions.csv"}
    assert {path.name for path in tmp_path.iterdir()} == names
    people = json.loads((tmp_path / "rendered_predictions.json").read_text())["annotations"]
    raw = torch.tensor([person["keypoint_scores"] for person in people], dtype=torch.float64)
    confidences = torch.tensor([person["keypoint_confidences"] for person in people], dtype=torch.float64)
    torch.testing.assert_close(confidences, torch.sigmoid((raw - 0.25) / 0.5), rtol=0, atol=3e-6)
    with (tmp_path / "rendered_predictions.csv").open() as file:
        lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert len(lines) == len(annotated(rendered)["annotations"]) * 26
    assert (rendered / "val2017" / lines[0]["file_name"]).is_file()
    assert "rendered_predictions.csv" in capsys.readouterr().out


def test_a_fit_ends_with_a_row_for_each_set_and_no_files(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = module()
    trainer(tmp_path, callbacks=[Report()], max_epochs=1).fit(model, data(rendered))
    assert not list(tmp_path.iterdir())
    text = capsys.readouterr().out
    assert "val: OKS average precision" in text
    assert "per keypoint" not in text
    assert "per_keypoint" not in vars(model.evaluations["rendered"]), "not even computed"


def test_a_trial_run_leaves_nothing(rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer(tmp_path, callbacks=[Report(bootstrap=0)], fast_dev_run=1).validate(
        module(), data(rendered), verbose=False
    )
    assert not list(tmp_path.iterdir())
    assert "95 %" not in capsys.readouterr().out


def test_every_process_asks_for_the_folder_and_only_the_first_writes(tmp_path: Path) -> None:
    asked = []

    class Other(SimpleNamespace):
        @property
        def log_dir(self) -> str:
            asked.append(True)
            return str(tmp_path)

    other = Other(is_global_zero=False, state=SimpleNamespace(fn="validate"), default_root_dir=str(tmp_path))
    report, model = Report(), module()
    for hook in (report.on_validation_end, report.on_test_end, report.on_predict_end):
        hook(cast("pl.Trainer", other), model)
    assert len(asked) == 3
    assert not list(tmp_path.iterdir())


def test_fewer_than_no_draws_are_refused() -> None:
    with pytest.raises(ElifPoseError, match="bootstrap"):
        Report(bootstrap=-1)
