import contextlib
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.evaluation.settings import Evaluation
from elifpose.training.facts import RunFacts
from elifpose.training.result_files import file_name, metrics_json, per_keypoint_csv, results_json, write_files
from elifpose.utils.errors import ElifPoseError


def pycocotools_figures(truth: Path, results: Path) -> list[float]:
    """The ten figures as anybody computes them from the two files."""
    with contextlib.redirect_stdout(io.StringIO()):
        of_truth = COCO(str(truth))
        evaluator = COCOeval(of_truth, of_truth.loadRes(str(results)), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(figure) for figure in evaluator.stats]


@pytest.mark.parametrize(("from_detector", "nms"), [(False, "hard"), (True, "none"), (True, "hard")])
def test_pycocotools_reads_the_results_and_finds_the_same_figures(
    judge: Callable[..., Any], tmp_path: Path, from_detector: bool, nms: Any
) -> None:
    evaluation, ground_truth, _ = judge(from_detector=from_detector, settings=Evaluation(nms=nms))
    (tmp_path / "gt.json").write_text(json.dumps({"info": {}} | ground_truth))  # pycocotools 2.0.10 asks for it
    write_files(tmp_path, {"results.json": results_json(evaluation)})
    expected = pycocotools_figures(tmp_path / "gt.json", tmp_path / "results.json")
    assert 0 < expected[0] < 1
    assert list(evaluation.figures.values())[:10] == pytest.approx(expected, abs=1e-9)


def test_metrics_say_what_and_how(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge().evaluation
    interval = evaluation.interval(20)
    document = json.loads(metrics_json(facts, {"coco": evaluation}, {"coco": interval}, 20))
    assert document["facts"] == facts._asdict()
    of_set = document["sets"]["coco"]
    assert of_set["figures"].keys() == evaluation.figures.keys()
    assert of_set["figures"]["AP"] == evaluation.figures["AP"]
    assert of_set["figures"]["AP(M)"] is None, "nobody is of medium size"
    assert of_set["AP_interval"] == {"low": interval.low, "high": interval.high, "level": 0.95, "replicates": 20}
    assert of_set["images"] == 12
    assert of_set["people"] == {"annotated": 24, "ignored": 1, "predicted": 24, "kept": 24}
    assert of_set["boxes"] == "annotated"
    assert of_set["evaluation"]["score"] == "bbox_keypoint"


def test_suppressed_detections_and_settings_are_told(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge(from_detector=True, settings=Evaluation(score="bbox_rle", nme=("nose", "left_hip"))).evaluation
    of_set = json.loads(metrics_json(facts, {"coco": evaluation}, {}, 0))["sets"]["coco"]
    assert of_set["people"]["predicted"] == 48
    assert of_set["people"]["kept"] == 24
    assert of_set["from_detector"] is True
    assert of_set["evaluation"]["score"] == "bbox_rle"
    assert of_set["evaluation"]["nme"] == ["nose", "left_hip"]
    assert of_set["figures"]["EPE"] is None
    assert of_set["AP_interval"] is None


def test_a_set_without_annotated_people_has_no_figures(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge(labelled=False).evaluation
    of_set = json.loads(metrics_json(facts, {"coco": evaluation}, {}, 0))["sets"]["coco"]
    assert of_set["figures"] == {}
    assert of_set["people"]["annotated"] == 0
    assert per_keypoint_csv({"coco": evaluation}).count("\n") == 1
    assert len(json.loads(results_json(evaluation))) == 24


def test_figures_that_are_not_finite_are_still_json(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation = judge().evaluation
    evaluation.figures["EPE"] = float("inf")
    document = json.loads(metrics_json(facts, {"coco": evaluation}, {}, 0))
    assert document["sets"]["coco"]["figures"]["EPE"] is None


def test_each_keypoint_of_each_set_has_a_line(judge: Callable[..., Any]) -> None:
    evaluation, noisier = judge().evaluation, judge(noise=30.0).evaluation
    text = per_keypoint_csv({"a, b": evaluation, "noisier": noisier})
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(line["set"], line["keypoint"]) for line in lines] == [
        (name, keypoint) for name in ("a, b", "noisier") for keypoint in evaluation.skeleton.keypoints
    ]
    for line, of in zip(lines, [*evaluation.per_keypoint, *noisier.per_keypoint], strict=True):
        assert int(line["labelled"]) == of.labelled
        assert float(line["PCK@0.1"]) == of.pck
        assert float(line["median_error_input"]) == of.median_error_input
        assert line["swapped"] == ("" if of.swapped < 0 else str(of.swapped))


def test_files_land_in_a_new_folder(tmp_path: Path) -> None:
    paths = write_files(tmp_path / "a/b", {"x.json": "1\n", "y.csv": "é\n"})
    assert [path.read_bytes() for path in paths] == [b"1\n", "é\n".encode()]
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["x.json", "y.csv"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"x.json": "old"})
    written = Path.write_text

    def half(path: Path, text: str, **options: Any) -> int:
        written(path, text[:2], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"x.json": "new and longer"})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ElifPoseError, match=r"taken.*default_root_dir"):
        write_files(tmp_path / "taken", {"x.json": ""})


def test_a_sets_name_stays_one_file() -> None:
    assert file_name("coco/val", "results.json") == "coco_val_results.json"
