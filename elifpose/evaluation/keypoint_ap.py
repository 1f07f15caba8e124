"""Average precision of keypoints as a torchmetrics `Metric`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from elifpose.evaluation.backends import figures_by
from elifpose.evaluation.detections import detected_people
from elifpose.evaluation.people import DetectedPeople, IntArray, TruePeople, boxes_or_extents
from elifpose.evaluation.person_metric import PersonMetric
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.settings import Evaluation
from elifpose.utils.errors import ElifPoseError

_PERSON = 1  # COCO's category


@final
class KeypointAP(PersonMetric):
    """The ten COCO keypoint statistics of one data set: AP and AR over OKS.

    The figures are those of `coco_keypoint_figures`, and equal to the last digit for any number of processes, padded
    samplers and orders of batches (`PersonMetric`). At the edges:

    - ids of annotations do not matter: they may begin at 0 or repeat;
    - a missing ``num_keypoints`` is counted, a missing ``area`` is 0.53 times the box's, a missing ``iscrowd`` is 0;
    - crowds and people without labelled keypoints are ignored: nobody misses them, and who finds them is not wrong;
    - scores that are all equal, 0 say, leave the order of image and sample;
    - without detections the figures are 0, and −1 where the ground truth has no such people;
    - a keypoint that is not finite matches nothing;
    - images that no detection is given for count as misses: a partial run over the data set lowers the figures.

    Args:
        sigmas: ``(K,)`` OKS constants, the skeleton's.
        ground_truth: COCO JSON (``images``, ``annotations``) in the same skeleton, crowds and people without
            keypoints included. It is not modified.
        settings: How persons are scored, whose detections are suppressed, and who computes.
        from_detector: Whether the boxes are a detector's: only then are detections suppressed.

    Raises:
        ValueError: If a sigma is not positive.
        ElifPoseError: If an annotation does not fit the sigmas, has no box, or is not of category 1, person.
    """

    higher_is_better = True

    keypoints_image: list[Tensor]
    keypoint_scores: list[Tensor]
    box_scores: list[Tensor]
    boxes_image: list[Tensor]

    def __init__(
        self,
        sigmas: Sequence[float],
        ground_truth: Mapping[str, Any],
        settings: Evaluation = Evaluation(),  # noqa: B008 - frozen; the signature is the configuration
        from_detector: bool = False,
    ) -> None:
        if not all(math.isfinite(sigma) and sigma > 0 for sigma in sigmas):
            raise ValueError(f"sigmas must be positive, not {tuple(sigmas)}")
        K = len(sigmas)
        for annotation in ground_truth.get("annotations", ()):
            if annotation.get("category_id", _PERSON) != _PERSON:
                raise ElifPoseError(
                    f"annotation {annotation.get('id')} of image {annotation['image_id']} has category "
                    f"{annotation['category_id']}, not {_PERSON} (person): leave other objects out"
                )
        super().__init__({"keypoints_image": (K, 2), "keypoint_scores": (K,), "box_scores": (), "boxes_image": (4,)})
        self.sigmas = tuple(sigmas)
        self.settings = settings
        self.from_detector = from_detector
        self.truth = TruePeople.from_coco(ground_truth, K)

    def update(
        self,
        keypoints_image: Tensor,
        keypoint_scores: Tensor,
        box_scores: Tensor,
        image_ids: Tensor,
        sample_indices: Tensor,
        boxes_image: Tensor | None = None,
    ) -> None:
        """Keep the detections of a batch; tensors may be on any device.

        Args:
            keypoints_image: ``(N, K, 2)``, image pixels, x then y; kept as float32.
            keypoint_scores: ``(N, K)``, kept as float32.
            box_scores: ``(N,)``; 1 for annotated boxes.
            image_ids: ``(N,)`` integers, the ground truth's.
            sample_indices: ``(N,)`` integers, one for each person of the data set.
            boxes_image: ``(N, 4)``, image pixels, left, top, width, height: the boxes that the detections were made
                in. With them AP(M) and AP(L) take a false detection's size from its box, as MMPose's evaluation
                does; without, from its keypoints' extent, as COCO does with results that have no boxes.
        """
        if boxes_image is None:
            boxes_image = box_scores.new_full((len(box_scores), 4), math.nan)
        self._append(
            {
                "keypoints_image": keypoints_image,
                "keypoint_scores": keypoint_scores,
                "box_scores": box_scores,
                "boxes_image": boxes_image,
                "image_ids": image_ids,
                "sample_indices": sample_indices,
            }
        )

    def compute(self) -> dict[str, Tensor]:
        """The figures by `FIGURE_NAMES`, float64 scalars on the CPU; −1 where the ground truth has no such people.

        Raises:
            ElifPoseError: If a detection is for an image that the ground truth does not list.
        """
        _, detected = self._detected(self._persons())
        figures = figures_by(self.settings.evaluator, self.truth, detected, np.array(self.sigmas))
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()}

    def results(self) -> list[dict[str, Any]]:
        """What was detected, each person once, as a COCO results JSON.

        In a run of several processes it gathers from all of them, so each must call it.

        Returns:
            ``image_id``, ``category_id`` 1, ``keypoints`` (K triples x, y in image pixels and score, flat), ``score``
            and, where it was given, ``bbox``; sorted by image and sample.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            persons = self._persons()
        kept, detected = self._detected(persons)
        keypoints = torch.cat((persons["keypoints_image"], persons["keypoint_scores"][..., None]), dim=-1)
        columns = (persons["image_ids"], keypoints.flatten(1), persons["boxes_image"])
        rows = zip(*(column[kept].tolist() for column in columns), detected.scores.tolist(), strict=True)
        return [
            {"image_id": image_id, "category_id": _PERSON, "keypoints": values, "score": score}
            | ({} if math.isnan(box[0]) else {"bbox": box})
            for image_id, values, box, score in rows
        ]

    def _detected(self, persons: Mapping[str, Tensor]) -> tuple[IntArray, DetectedPeople]:
        """Positions of the persons who are kept, and these as detections."""
        image_ids, sample_indices = persons["image_ids"].numpy(), persons["sample_indices"].numpy()
        listed = np.isin(image_ids, self.truth.image_ids)
        if not listed.all():
            raise ElifPoseError(
                f"a detection is for image {image_ids[np.argmin(listed)]}, which the ground truth does not list: "
                "evaluate detections with the annotations of the images that they were made on"
            )
        keypoints, keypoint_scores, box_scores, boxes = (
            persons[name].double().numpy()
            for name in ("keypoints_image", "keypoint_scores", "box_scores", "boxes_image")
        )
        predictions = Predictions(
            image_ids=image_ids,
            sample_indices=sample_indices,
            keypoints=keypoints,
            keypoint_scores=keypoint_scores,
            box_scores=box_scores,
            boxes=boxes_or_extents(boxes, keypoints),
            keypoints_true=np.zeros(keypoints.shape),  # as in a detector's boxes
            labelled=np.zeros(keypoint_scores.shape, dtype=np.bool_),
            areas=np.zeros_like(box_scores),
            pixel_sizes=np.ones_like(box_scores),
        )
        images = np.searchsorted(self.truth.image_ids, image_ids)
        return detected_people(predictions, images, np.array(self.sigmas), self.settings, self.from_detector)
