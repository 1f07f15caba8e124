"""The ten COCO keypoint statistics of two loaded COCO JSONs, by pycocotools."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import AREA_OF_BOX

FIGURE_NAMES = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
"""The statistics in COCO's order."""

_FAR = 1e6  # pixels: no person is so large that a keypoint this far away would be similar


def coco_keypoint_figures(
    ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], sigmas: Sequence[float] | None = None
) -> list[float]:
    """Average precision and recall of detections, as COCO's keypoint evaluation defines them.

    At most 20 detections of an image count, those with the highest scores; of equal scores the earlier one comes
    first. What goes beyond pycocotools:

    - Annotations are renumbered from 1: pycocotools takes one with id 0 for "no match" and mixes up repeated ids.
    - A missing ``num_keypoints`` is the number of keypoints with v > 0; a missing ``area`` is 0.53 times the box's;
      a missing ``iscrowd`` is 0; a person without ``keypoints`` has none labelled. Crowds and people without labelled
      keypoints are ignored as COCO has it: they are no misses, and who matches them is no false detection.
    - A detection's area, which decides whether an unmatched one counts in (M) and (L), is that of its own ``bbox``
      if it has one, else of its keypoints' extent.
    - No detections give 0, as they should; figures over no ground truth are −1.
    - A coordinate that is not finite matches nothing (pycocotools takes NaN for a perfect match); a score that is
      not a number comes after all others. Scores that are all 0 are an ordinary case.

    Args:
        ground_truth: COCO's ``images`` and ``annotations``, coordinates in image pixels; it is not modified.
        detections: COCO results: ``image_id``, ``category_id``, ``keypoints`` (K triples x, y, score; image pixels)
            and ``score``; not modified.
        sigmas: ``(K,)`` OKS constants of the keypoints; COCO's 17 by default.

    Returns:
        Ten figures in the order of `FIGURE_NAMES`.

    Raises:
        ElifPoseError: If an annotation or detection has another number of keypoints than there are sigmas, an
            annotation has no box, or a detection is for an image that the ground truth does not list.
    """
    constants = np.asarray(get_skeleton("coco17").sigmas if sigmas is None else sigmas, dtype=np.float64)
    people = prepare_ground_truth(ground_truth, len(constants))
    found = _prepare_detections(detections, {image["id"] for image in people["images"]}, len(constants))
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluator = COCOeval(_index(people), _index(people | {"annotations": found}), "keypoints")
        evaluator.params.kpt_oks_sigmas = constants
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(figure) for figure in evaluator.stats]


def prepare_ground_truth(ground_truth: Mapping[str, Any], num_keypoints: int) -> dict[str, list[dict[str, Any]]]:
    """What the evaluation needs of a COCO JSON, with the gaps filled as `coco_keypoint_figures` says.

    Args:
        ground_truth: COCO's ``images`` and ``annotations``; not modified.
        num_keypoints: How many keypoints each annotation has.

    Returns:
        ``images``, ``annotations`` and ``categories`` as new dicts; keypoints are ``(3K,)`` float64 arrays.

    Raises:
        ElifPoseError: As `coco_keypoint_figures`.
    """
    annotations = [
        _prepare_annotation(number, annotation, num_keypoints)
        for number, annotation in enumerate(ground_truth.get("annotations", ()), start=1)
    ]
    categories = ground_truth.get("categories") or [{"id": key} for key in {a["category_id"] for a in annotations}]
    return {
        "images": [{"id": image["id"]} for image in ground_truth.get("images", ())],
        "annotations": annotations,
        "categories": [{"id": category["id"]} for category in categories],
    }


def _prepare_annotation(number: int, annotation: Mapping[str, Any], num_keypoints: int) -> dict[str, Any]:
    where = f"annotation {annotation.get('id')} of image {annotation.get('image_id')}"
    given = annotation.get("keypoints")
    keypoints = _keypoints([0] * 3 * num_keypoints if given is None else given, num_keypoints, where)
    if annotation.get("bbox") is None:
        raise ElifPoseError(f"{where} has no 'bbox': give it left, top, width and height in pixels, as COCO has it")
    _, _, width, height = box = [float(value) for value in annotation["bbox"]]
    labelled, area = annotation.get("num_keypoints"), annotation.get("area")
    return {
        "id": number,
        "image_id": annotation["image_id"],
        "category_id": annotation.get("category_id", 1),
        "keypoints": keypoints,
        "num_keypoints": int((keypoints[2::3] > 0).sum()) if labelled is None or given is None else labelled,
        "bbox": box,
        "area": AREA_OF_BOX * width * height if area is None else area,
        "iscrowd": annotation.get("iscrowd", 0),
    }


def _prepare_detections(
    detections: Sequence[Mapping[str, Any]], image_ids: set[int], num_keypoints: int
) -> list[dict[str, Any]]:
    prepared = []
    for number, detection in enumerate(detections, start=1):
        image_id = detection["image_id"]
        where = f"detection {number} (image {image_id})"
        if image_id not in image_ids:
            raise ElifPoseError(
                f"{where} is for an image that the ground truth does not list: evaluate detections with the "
                "annotations of the images that they were made on"
            )
        points = _keypoints(detection["keypoints"], num_keypoints, where).reshape(-1, 3)
        finite = np.isfinite(points[:, :2]).all(axis=1)
        box = detection.get("bbox") or (0.0, 0.0, *(np.ptp(points[finite, :2], axis=0) if finite.any() else (0, 0)))
        points[~finite, :2] = _FAR
        prepared.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": detection.get("category_id", 1),
                "keypoints": points.reshape(-1),
                "score": float(detection["score"]),
                "area": float(box[2] * box[3]),
            }
        )
    return prepared


def _keypoints(values: Sequence[float], num_keypoints: int, where: str) -> npt.NDArray[np.float64]:
    """A new ``(3K,)`` float64 array."""
    keypoints = np.array(values, dtype=np.float64)
    if keypoints.shape != (3 * num_keypoints,):
        raise ElifPoseError(
            f"{where} has {keypoints.size} keypoint values, but {num_keypoints} sigmas ask for {3 * num_keypoints} "
            "(x, y, v of each): give the sigmas of the skeleton in which it is annotated"
        )
    return keypoints


def _index(dataset: dict[str, list[dict[str, Any]]]) -> COCO:
    """A data set in memory as pycocotools wants it."""
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco
