"""The same ten figures, computed by whom the user chooses."""

import contextlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from elifpose.evaluation import average_precision
from elifpose.evaluation.average_precision import FIGURE_NAMES, precision_recall
from elifpose.evaluation.matching import match
from elifpose.evaluation.people import DetectedPeople, FloatArray, IntArray, TruePeople
from elifpose.evaluation.settings import Evaluator

_Json = dict[str, list[dict[str, Any]]]


def figures_by(
    evaluator: Evaluator, truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray
) -> dict[str, float]:
    """COCO's ten figures by `FIGURE_NAMES`; −1 over nobody."""
    if evaluator == "arrays":
        return average_precision.figures(precision_recall(match(truth, detected, sigmas)))
    return dict(zip(FIGURE_NAMES, _by_pycocotools(*_coco(truth, detected), sigmas), strict=True))


def _by_pycocotools(people: _Json, found: _Json, sigmas: FloatArray) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        cocos = COCO(), COCO()
        for coco, dataset in zip(cocos, (people, found), strict=True):
            coco.dataset = dataset
            coco.createIndex()
        evaluation = COCOeval(*cocos, "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(figure) for figure in evaluation.stats]


def _coco(truth: TruePeople, detected: DetectedPeople) -> tuple[_Json, _Json]:
    """Ground truth and detections as COCO has them; the images' ids are their positions."""
    images = [{"id": image} for image in range(len(truth.image_ids))]
    common: _Json = {"images": images, "categories": [{"id": 1, "name": "person"}]}
    people, found = _annotations(truth), _detections(detected, truth.images)
    return {**common, "annotations": people}, {**common, "annotations": found}


def _annotations(truth: TruePeople) -> list[dict[str, Any]]:
    """Ids begin at 1, since 0 is nobody's for pycocotools."""
    columns = (truth.images, truth.boxes, truth.areas, truth.crowd.astype(np.int64), ~truth.ignored)
    rows = zip(_flat(truth.keypoints, truth.labelled), *(column.tolist() for column in columns), strict=True)
    return [
        {
            "id": number,
            "image_id": image,
            "category_id": 1,
            "keypoints": keypoints,
            "bbox": box,
            "area": area,
            "iscrowd": crowd,
            "num_keypoints": int(counts),
        }
        for number, (keypoints, image, box, area, crowd, counts) in enumerate(rows, start=1)
    ]


def _detections(detected: DetectedPeople, with_people: IntArray) -> list[dict[str, Any]]:
    """Only the scores' order counts, and unlike scores it is always a number.

    Keypoints in images without people are compared with nobody's, so they are left out: an evaluator takes longer to
    read them than to evaluate.
    """
    places = np.unique(-detected.scores, return_inverse=True)[1]
    columns = (detected.images, np.isin(detected.images, with_people), detected.areas, -places.astype(np.float64))
    flat = _flat(detected.keypoints, np.ones(detected.keypoints.shape[:2]))
    rows = zip(flat, *(column.tolist() for column in columns), strict=True)
    return [
        {
            "id": number,
            "image_id": image,
            "category_id": 1,
            "keypoints": keypoints if compared else (),
            "area": area,
            "score": score,
        }
        for number, (keypoints, image, compared, area, score) in enumerate(rows, start=1)
    ]


def _flat(keypoints: FloatArray, visible: npt.ArrayLike) -> FloatArray:
    """Triples x, y, v of ``(N, K, 2)`` and ``(N, K)``: ``(N, 3K)``; lists of them would take long to make."""
    N, K, _ = keypoints.shape
    return np.dstack((keypoints, visible)).reshape(N, 3 * K)
