"""The same ten figures, computed by whom the user chooses."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from elifpose.evaluation import average_precision
from elifpose.evaluation.average_precision import FIGURE_NAMES, precision_recall
from elifpose.evaluation.matching import match
from elifpose.evaluation.people import DetectedPeople, FloatArray, TruePeople
from elifpose.evaluation.settings import Evaluator
from elifpose.utils.errors import ElifPoseError

_Json = dict[str, list[dict[str, Any]]]


def figures_by(
    evaluator: Evaluator, truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray
) -> dict[str, float]:
    """COCO's ten figures by `FIGURE_NAMES`; −1 over nobody.

    Raises:
        ElifPoseError: If the evaluator is not installed.
    """
    if evaluator == "arrays":
        return average_precision.figures(precision_recall(match(truth, detected, sigmas)))
    jsons = _coco(truth, detected)
    statistics = (_by_pycocotools if evaluator == "pycocotools" else _by_hotcoco)(*jsons, sigmas)
    return dict(zip(FIGURE_NAMES, statistics, strict=True))


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


def _by_hotcoco(people: _Json, found: _Json, sigmas: FloatArray) -> list[float]:
    try:
        import hotcoco
    except ImportError as error:
        raise ElifPoseError(
            "model.evaluation: the evaluator 'hotcoco' is not installed: pip install 'elifpose[hotcoco]', or choose "
            "'arrays', which gives the same figures"
        ) from error
    evaluation = hotcoco.COCOeval(hotcoco.COCO(people), hotcoco.COCO(found), "keypoints")
    evaluation.params.kpt_oks_sigmas = sigmas.tolist()
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summary_lines()
    return [float(figure) for figure in evaluation.stats]


def _coco(truth: TruePeople, detected: DetectedPeople) -> tuple[_Json, _Json]:
    """Ground truth and detections as COCO has them; the images' ids are their positions."""
    people = {
        "image_id": truth.images,
        "keypoints": _flat(truth.keypoints, truth.labelled),
        "bbox": truth.boxes,
        "area": truth.areas,
        "iscrowd": truth.crowd.astype(np.int64),
        "num_keypoints": (~truth.ignored).astype(np.int64),
    }
    found = {
        "image_id": detected.images,
        "keypoints": _flat(detected.keypoints, np.ones(detected.keypoints.shape[:2])),
        "area": detected.areas,
        # Their order is all that counts, and unlike scores it is always a number.
        "score": -np.unique(-detected.scores, return_inverse=True)[1].astype(np.float64),
    }
    common = {
        "images": [{"id": image} for image in range(len(truth.image_ids))],
        "categories": [{"id": 1, "name": "person"}],
    }
    return {**common, "annotations": _records(people)}, {**common, "annotations": _records(found)}


def _flat(keypoints: FloatArray, visible: npt.ArrayLike) -> FloatArray:
    """Triples x, y, v of ``(N, K, 2)`` and ``(N, K)``: ``(N, 3K)``."""
    N, K, _ = keypoints.shape
    return np.dstack((keypoints, visible)).reshape(N, 3 * K)


def _records(columns: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """One annotation per row; ids begin at 1, since 0 is nobody's for pycocotools.

    Rows of several numbers stay arrays: lists of so many numbers would keep Python's garbage collector busy.
    """
    names = ("id", "category_id", *columns)
    values = (list(column) if column.ndim > 1 else column.tolist() for column in columns.values())
    return [
        dict(zip(names, (number, 1, *row), strict=True))
        for number, row in enumerate(zip(*values, strict=True), start=1)
    ]
