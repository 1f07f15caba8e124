"""A small evaluated data set: known people, and predictions that are off by known amounts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from elifpose.datasets.annotations import Annotations, load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.evaluation.people import TruePeople
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.evaluation.settings import Evaluation
from elifpose.structures import get_skeleton
from elifpose.training.facts import RunFacts

SKELETON = get_skeleton("coco17")


class Judged(NamedTuple):
    """Predictions for a data set, and the data set itself in two forms."""

    evaluation: SetEvaluation
    ground_truth: dict[str, Any]
    annotations: Annotations


Judge = Callable[..., Judged]


def _ground_truth(rng: np.random.Generator, labelled: bool) -> dict[str, Any]:
    """Twelve images with two large people each; the first image has a ``#`` in its name, the last a crowd as well."""
    images = [{"id": 10 + i, "width": 640, "height": 480, "file_name": f"im#{i}.jpg"} for i in range(12)]
    people = []
    for number in range(24):
        corner = rng.uniform(0, 200, 2)
        points = corner + rng.uniform(0, 1, (17, 2)) * (150, 250)
        triples = np.column_stack((points, np.full(17, 2.0 if labelled else 0.0))).round(2)
        people.append(
            {
                "id": number + 1,
                "image_id": 10 + number // 2,
                "category_id": 1,
                "bbox": [*corner.round(2).tolist(), 150.0, 250.0],
                "area": 150 * 250 * 0.53,
                "iscrowd": 0,
                "num_keypoints": 17 if labelled else 0,
                "keypoints": triples.ravel().tolist(),
            }
        )
    crowd = {**people[-1], "id": 99, "iscrowd": 1, "num_keypoints": 0, "keypoints": [0] * 51}
    return {"images": images, "annotations": [*people, crowd], "categories": [{"id": 1, "name": "person"}]}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Makes a `Judged`.

    Keypoints are off by a normal error of ``noise`` image pixels on average, more in later people. In a detector's
    boxes nothing is labelled, and each person is found a second time with a lower score.
    """

    def of(
        noise: float = 8.0,
        labelled: bool = True,
        from_detector: bool = False,
        settings: Evaluation = Evaluation(),  # noqa: B008
    ) -> Judged:
        rng = np.random.default_rng(7)
        ground_truth = _ground_truth(rng, labelled)
        people = ground_truth["annotations"][:24]
        triples = np.array([person["keypoints"] for person in people]).reshape(24, 17, 3)
        spread = noise * np.linspace(0.2, 1.8, 24)[:, None, None]
        columns = {
            "image_ids": np.array([person["image_id"] for person in people]),
            "sample_indices": np.arange(24),
            "keypoints": triples[..., :2] + rng.normal(size=(24, 17, 2)) * spread,
            "keypoint_scores": rng.uniform(0.3, 0.9, (24, 17)),
            "box_scores": np.ones(24),
            "boxes": np.array([person["bbox"] for person in people]),
            "keypoints_true": triples[..., :2],
            "labelled": triples[..., 2] > 0,
            "areas": np.array([person["area"] for person in people]),
            "pixel_sizes": np.full(24, 2.0),
        }
        if from_detector:
            again = {**columns, "sample_indices": np.arange(24) + 24, "box_scores": np.full(24, 0.5)}
            columns = {name: np.concatenate((values, again[name])) for name, values in columns.items()}
            columns |= {"labelled": np.zeros((48, 17), dtype=bool), "areas": np.zeros(48)}
        path = tmp_path / "truth.json"
        path.write_text(json.dumps(ground_truth))
        truth = TruePeople.from_coco(ground_truth, 17)
        evaluation = SetEvaluation(SKELETON, settings, truth, Predictions(**columns), from_detector)
        return Judged(evaluation, ground_truth, load_annotations(path, SKELETON, parse_coco))

    return of


@pytest.fixture
def facts() -> RunFacts:
    return RunFacts(
        version="9.9",
        checkpoint="runs/last.ckpt",
        checkpoint_sha256="ab" * 32,
        weights="averaged",
        network="float",
        flip_test=True,
        precision="32-true",
        boxes={"coco": "annotated"},
        config="model:\n  skeleton: coco17  # seventeen\n",
    )
