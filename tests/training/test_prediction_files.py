import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.datasets.annotations import load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.evaluation.settings import Evaluation
from elifpose.training.facts import RunFacts
from elifpose.training.prediction_files import PREDICTION_COLUMNS, predictions_csv, predictions_json

CALIBRATION = ScoreCalibration(temperature=0.2, offset=0.5)


def without_comments(text: str) -> list[list[str]]:
    """Rows as a reader sees them that takes ``#`` outside of quotes for the start of a comment."""
    return list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))


def test_predictions_say_what_made_them(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation, _, annotations = judge()
    info = json.loads(predictions_json(facts, evaluation, annotations, CALIBRATION))["info"]
    assert info.items() >= facts._asdict().items()
    assert info["calibration"] == {"temperature": 0.2, "offset": 0.5}
    assert info["evaluation"]["score"] == "bbox_keypoint"


def test_predictions_are_a_coco_data_set(judge: Callable[..., Any], facts: RunFacts, tmp_path: Path) -> None:
    evaluation, ground_truth, annotations = judge()
    path = tmp_path / "predictions.json"
    path.write_text(predictions_json(facts, evaluation, annotations, CALIBRATION))
    document = json.loads(path.read_text())
    assert document["images"] == ground_truth["images"]
    (category,) = document["categories"]
    assert category["keypoints"] == list(evaluation.skeleton.keypoints)
    assert [16, 14] in category["skeleton"] or [14, 16] in category["skeleton"], "counted from 1: ankle and knee"
    read = load_annotations(path, evaluation.skeleton, parse_coco)
    assert read.keypoints == pytest.approx(evaluation.predictions.keypoints, abs=0.0005)
    assert (read.visibility == 2).all()
    assert (read.areas > 0).all()
    person = document["annotations"][3]
    of = evaluation.predictions
    assert person["bbox"] == of.boxes[3].tolist()
    assert person["image_id"] == of.image_ids[3]
    assert person["keypoint_scores"] == pytest.approx(of.keypoint_scores[3], abs=1e-6)
    assert person["score"] == pytest.approx(of.keypoint_scores[3].mean(), abs=1e-6), "all are above the threshold"
    expected = [1 / (1 + math.exp(-(score - 0.5) / 0.2)) for score in of.keypoint_scores[3]]
    assert person["keypoint_confidences"] == pytest.approx(expected, abs=1e-6)


def test_without_a_calibration_there_are_no_confidences(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation, _, annotations = judge()
    document = json.loads(predictions_json(facts, evaluation, annotations, None))
    assert document["info"]["calibration"] is None
    assert {person["keypoint_confidences"] for person in document["annotations"]} == {None}
    rows = without_comments(predictions_csv(facts, evaluation, annotations, None))
    assert {row[-1] for row in rows[1:]} == {""}


def test_what_was_suppressed_is_not_written(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation, _, annotations = judge(from_detector=True, settings=Evaluation(nms="hard"))
    document = json.loads(predictions_json(facts, evaluation, annotations, None))
    assert [person["id"] for person in document["annotations"]] == list(range(1, 25))
    assert [person["score"] for person in document["annotations"]] == pytest.approx(evaluation.detected.scores)


def test_the_csv_has_a_line_for_each_keypoint(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation, _, annotations = judge()
    text = predictions_csv(facts, evaluation, annotations, CALIBRATION)
    header, *rows = without_comments(text)
    assert tuple(header) == PREDICTION_COLUMNS
    assert len(rows) == 24 * 17
    people = json.loads(predictions_json(facts, evaluation, annotations, CALIBRATION))["annotations"]
    person = people[23]
    of_person = [row for row in rows if row[2] == str(person["id"])]
    assert {(row[0], row[1]) for row in of_person} == {("21", "im#11.jpg")}
    assert [row[3] for row in of_person] == list(evaluation.skeleton.keypoints)
    numbers = np.array([row[4:] for row in of_person], np.float64)
    assert numbers[:, :2].ravel().tolist() == np.delete(person["keypoints"], np.s_[2::3]).tolist()
    assert numbers[:, 2].tolist() == person["keypoint_scores"]
    assert numbers[:, 3].tolist() == person["keypoint_confidences"]


def test_comments_come_first_and_hold_the_facts_on_one_line(judge: Callable[..., Any], facts: RunFacts) -> None:
    evaluation, _, annotations = judge()
    lines = predictions_csv(facts, evaluation, annotations, None).splitlines()
    assert [line.startswith("#") for line in lines[:3]] == [True, True, False]
    assert json.loads(lines[1].removeprefix("#")) == facts._asdict()
    assert all('"im#' in line for line in lines[3:]), "quoted, so that no reader takes the rest for a comment"


def test_of_two_images_with_one_id_the_first_is_named(
    judge: Callable[..., Any], facts: RunFacts, tmp_path: Path
) -> None:
    evaluation, ground_truth, _ = judge()
    again = {**ground_truth["images"][0], "file_name": "again.jpg"}
    path = tmp_path / "repeated.json"
    path.write_text(json.dumps({**ground_truth, "images": [*ground_truth["images"], again]}))
    text = predictions_csv(facts, evaluation, load_annotations(path, evaluation.skeleton, parse_coco), None)
    assert "im#0.jpg" in text
    assert "again.jpg" not in text
