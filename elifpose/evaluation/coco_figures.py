"""The ten COCO keypoint statistics of two loaded COCO JSONs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elifpose.evaluation.average_precision import FIGURE_NAMES
from elifpose.evaluation.backends import figures_by
from elifpose.evaluation.people import BoolArray, DetectedPeople, TruePeople
from elifpose.evaluation.settings import Evaluator
from elifpose.structures import get_skeleton

_PERSON = 1  # COCO's category


def coco_keypoint_figures(
    ground_truth: Mapping[str, Any],
    detections: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float] | None = None,
    evaluator: Evaluator = "arrays",
) -> list[float]:
    """Average precision and recall of detections, as COCO's keypoint evaluation defines them.

    At most 20 detections of an image count, those with the highest scores; of equal scores the earlier one comes
    first. Of several categories each figure is the mean over those in which it is not −1. What goes beyond
    pycocotools:

    - Annotations are known by their place: pycocotools takes one with id 0 for "no match" and mixes up repeated ids.
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
        evaluator: Who computes the figures; they are the same.

    Returns:
        Ten figures in the order of `FIGURE_NAMES`.

    Raises:
        ElifPoseError: If an annotation or detection has another number of keypoints than there are sigmas, an
            annotation has no box, or a detection is for an image that the ground truth does not list.
    """
    constants = np.asarray(get_skeleton("coco17").sigmas if sigmas is None else sigmas, dtype=np.float64)
    annotations = ground_truth.get("annotations", ())
    of_annotations = [annotation.get("category_id", _PERSON) for annotation in annotations]
    of_detections = np.array([detection.get("category_id", _PERSON) for detection in detections], dtype=np.int64)
    listed = {category["id"] for category in ground_truth.get("categories") or ()} or set(of_annotations)
    per_category = []
    everyone = None
    for category in listed or {_PERSON}:
        own = [each for each, of in zip(annotations, of_annotations, strict=True) if of == category]
        truth = TruePeople.from_coco({**ground_truth, "annotations": own}, len(constants))
        everyone = everyone or DetectedPeople.from_coco(detections, truth.image_ids, len(constants))
        found = _at(everyone, of_detections == category)
        values = figures_by(evaluator, truth, found, constants)
        per_category.append([values[name] for name in FIGURE_NAMES])
    return [_mean(column) for column in zip(*per_category, strict=True)]


def _at(people: DetectedPeople, chosen: BoolArray) -> DetectedPeople:
    return DetectedPeople(
        people.images[chosen], people.keypoints[chosen], people.scores[chosen], people.areas[chosen]
    )


def _mean(values: Sequence[float]) -> float:
    """Of those that are not −1."""
    there = [value for value in values if value > -1]
    return sum(there) / len(there) if there else -1.0
