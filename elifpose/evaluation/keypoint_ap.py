"""Average precision of keypoints as a torchmetrics `Metric`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from elifpose.evaluation.coco_figures import FIGURE_NAMES, coco_keypoint_figures, prepare_ground_truth
from elifpose.evaluation.person_metric import PersonMetric
from elifpose.utils.errors import ElifPoseError

__all__ = ["FIGURE_NAMES", "KeypointAP", "coco_keypoint_figures", "person_scores"]

_PERSON = 1  # COCO's category


def person_scores(keypoint_scores: Tensor, box_scores: Tensor, threshold: float) -> Tensor:
    """Score of each person: box score × mean of the keypoint scores above a threshold, 0 if none is.

    Args:
        keypoint_scores: ``(N, K)``, as the codec gives them, not calibrated.
        box_scores: ``(N,)``.
        threshold: Keypoint scores up to this one are left out of the mean.

    Returns:
        ``(N,)`` float64.
    """
    above = keypoint_scores > threshold
    total = torch.where(above, keypoint_scores.double(), 0.0).sum(dim=1)
    return box_scores.double() * total / above.sum(dim=1).clamp(min=1)


@final
class KeypointAP(PersonMetric):
    """The ten COCO keypoint statistics of one data set: AP and AR over OKS.

    The figures are those of `coco_keypoint_figures`, which says how gaps in the annotations are filled, and are equal
    to the last digit for any number of processes, padded samplers and orders of batches (`PersonMetric`). Images
    that no detection is given for count as misses, so a partial run over the data set lowers the figures.

    Args:
        sigmas: ``(K,)`` OKS constants, the skeleton's.
        ground_truth: COCO JSON (``images``, ``annotations``) in the same skeleton, crowds and people without
            keypoints included: they are ignored as COCO has it. It is not modified.
        score_threshold: Keypoint scores above this one enter the person's score (`person_scores`).

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
        self, sigmas: Sequence[float], ground_truth: Mapping[str, Any], score_threshold: float = 0.2
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
        self.score_threshold = score_threshold
        self.ground_truth = prepare_ground_truth(ground_truth, K)
        self.ground_truth["categories"] = [{"id": _PERSON}]

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
        """The figures by `FIGURE_NAMES`, float64 scalars on the CPU; −1 where the ground truth has no such people."""
        figures = coco_keypoint_figures(self.ground_truth, self._results(), self.sigmas)
        values = torch.tensor(figures, dtype=torch.float64)
        return dict(zip(FIGURE_NAMES, values.unbind(), strict=True))

    def results(self) -> list[dict[str, Any]]:
        """What was detected, each person once, as a COCO results JSON.

        In a run of several processes it gathers from all of them, so each must call it.

        Returns:
            ``image_id``, ``category_id`` 1, ``keypoints`` (K triples x, y in image pixels and score, flat), ``score``
            and, where it was given, ``bbox``; sorted by image and sample.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._results()

    def _results(self) -> list[dict[str, Any]]:
        persons = self._persons()
        keypoints = torch.cat((persons["keypoints_image"], persons["keypoint_scores"][..., None]), dim=-1)
        scores = person_scores(persons["keypoint_scores"], persons["box_scores"], self.score_threshold)
        columns = (persons["image_ids"], keypoints.flatten(1), scores, persons["boxes_image"])
        return [
            {"image_id": image_id, "category_id": _PERSON, "keypoints": values, "score": score}
            | ({} if math.isnan(box[0]) else {"bbox": box})
            for image_id, values, score, box in zip(*(column.tolist() for column in columns), strict=True)
        ]
