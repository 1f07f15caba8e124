"""Predictions written for people and for other programs, with what made them."""

import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.datasets.annotations import Annotations
from elifpose.evaluation.people import FloatArray
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.training.facts import RunFacts
from elifpose.utils.geometry import AREA_OF_BOX

PREDICTION_COLUMNS = ("image_id", "file_name", "person", "keypoint", "x", "y", "score", "confidence")

_PIXEL_DECIMALS, _SCORE_DECIMALS = 3, 6


def predictions_json(
    facts: RunFacts, evaluation: SetEvaluation, annotations: Annotations, calibration: ScoreCalibration | None
) -> str:
    """The detections as a COCO data set that says how they were made, for annotation tools and for training.

    An annotation has, beside COCO's own fields, ``score`` (the person's), ``keypoint_scores`` (raw) and
    ``keypoint_confidences`` (null without a calibration). All keypoints have v = 2. Image pixels.

    Args:
        facts: How the predictions were made.
        evaluation: Of the predictions.
        annotations: Names the images.
        calibration: What raw scores mean.
    """
    skeleton = evaluation.skeleton
    images = zip(
        annotations.image_ids.tolist(), annotations.file_names(), annotations.image_sizes.tolist(), strict=True
    )
    links = [[start + 1, end + 1] for start, end in skeleton.link_indices]
    document = {
        "info": {
            "description": "Keypoints predicted by ElifPose, in image pixels",
            **facts._asdict(),
            "evaluation": dataclasses.asdict(evaluation.settings),
            "score": f"of a person: {evaluation.settings.score}",
            "keypoint_scores": "raw: as the network gives them",
            "keypoint_confidences": "probability that the keypoint lies nearer to the truth than a tenth of the box's"
            " larger side; null if the checkpoint has no calibration",
            "calibration": None if calibration is None else dataclasses.asdict(calibration),
        },
        "images": [{"id": i, "file_name": name, "width": w, "height": h} for i, name, (w, h) in images],
        "annotations": _annotations(evaluation, calibration),
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.keypoints), "skeleton": links}],
    }
    return json.dumps(document)


def _annotations(evaluation: SetEvaluation, calibration: ScoreCalibration | None) -> list[dict[str, Any]]:
    of, kept = evaluation.predictions, evaluation.kept
    keypoints = of.keypoints[kept].round(_PIXEL_DECIMALS)
    triples = np.concatenate((keypoints, np.full_like(keypoints[..., :1], 2.0)), axis=-1)
    columns = {
        "image_id": of.image_ids[kept].tolist(),
        "bbox": of.boxes[kept].round(_PIXEL_DECIMALS).tolist(),
        "area": (AREA_OF_BOX * of.boxes[kept, 2] * of.boxes[kept, 3]).round(_PIXEL_DECIMALS).tolist(),
        "keypoints": triples.reshape(len(kept), -1).tolist(),
        "keypoint_scores": of.keypoint_scores[kept].round(_SCORE_DECIMALS).tolist(),
        "keypoint_confidences": _confidences(of.keypoint_scores[kept], calibration),
        "score": evaluation.detected.scores.round(_SCORE_DECIMALS).tolist(),
    }
    fixed = {"category_id": 1, "iscrowd": 0, "num_keypoints": evaluation.skeleton.num_keypoints}
    return [
        {"id": number, **fixed, **dict(zip(columns, person, strict=True))}
        for number, person in enumerate(zip(*columns.values(), strict=True), start=1)
    ]


def _confidences(scores: FloatArray, calibration: ScoreCalibration | None) -> list[Any]:
    """``(N, K)`` probabilities of raw scores, as lists; ``N`` times None without a calibration."""
    if calibration is None:
        return [None] * len(scores)
    confidences: list[Any] = calibration(torch.from_numpy(scores)).numpy().round(_SCORE_DECIMALS).tolist()
    return confidences


def predictions_csv(
    facts: RunFacts, evaluation: SetEvaluation, annotations: Annotations, calibration: ScoreCalibration | None
) -> str:
    """`PREDICTION_COLUMNS` of each keypoint of each person; arguments as `predictions_json`, whose ids persons have.

    Lines that begin with ``#`` come first, the second of them being `RunFacts` as JSON: the checkpoint's name and
    SHA-256, the configuration and more. Text is quoted, so that a ``#`` in a file's name begins no comment.
    """
    ids, names = annotations.image_ids.tolist(), annotations.file_names()
    of_image = dict(zip(reversed(ids), reversed(names), strict=True))  # of two images with one id, the first counts
    keypoints = evaluation.skeleton.keypoints
    text = io.StringIO()
    text.write(f"# keypoints in image pixels, made by:\n# {json.dumps(facts._asdict())}\n")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(PREDICTION_COLUMNS)
    for person in _annotations(evaluation, calibration):
        who = (person["image_id"], of_image[person["image_id"]], person["id"])
        x, y = person["keypoints"][::3], person["keypoints"][1::3]
        confidences = person["keypoint_confidences"] or [None] * len(keypoints)
        of_keypoints = zip(keypoints, x, y, person["keypoint_scores"], confidences, strict=True)
        writer.writerows((*who, *values) for values in of_keypoints)
    return text.getvalue()
