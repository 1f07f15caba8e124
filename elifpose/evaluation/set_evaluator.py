"""Everything that is measured on one data set, in one object."""

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor, nn

from elifpose.evaluation.keypoint_ap import KeypointAP
from elifpose.evaluation.pck import KeypointErrors
from elifpose.structures.batch import PoseBatch, to_image_frame
from elifpose.structures.skeleton import Skeleton


@final
class SetEvaluator(nn.Module):
    """OKS AP and distances of one data set, fed batch by batch with decoded keypoints.

    Args:
        skeleton: The skeleton of the predictions.
        ground_truth: The set as a COCO JSON dict in that skeleton, crowds and unlabelled people included.
    """

    def __init__(self, skeleton: Skeleton, ground_truth: Mapping[str, Any]) -> None:
        super().__init__()
        self.average_precision = KeypointAP(skeleton.sigmas, ground_truth)
        self.errors = KeypointErrors()

    def update(self, keypoints_input: Tensor, scores: Tensor, batch: PoseBatch) -> None:
        """Add predictions ``(N, K, 2)``, input pixels, and scores ``(N, K)`` for the people of a batch."""
        keypoints_image = to_image_frame(keypoints_input, batch.input_to_image)
        self.average_precision.update(
            keypoints_image, scores, batch.box_scores, batch.image_ids, batch.sample_indices, batch.boxes_image
        )
        self.errors.update(
            keypoints_image,
            to_image_frame(batch.keypoints_input, batch.input_to_image),
            batch.weights,
            batch.boxes_image,
            batch.image_ids,
            batch.sample_indices,
        )

    def compute(self) -> dict[str, Tensor]:
        """The ten COCO figures, PCK, AUC and EPE of all that was added, over all processes."""
        return {**self.average_precision.compute(), **self.errors.compute()}

    def reset(self) -> None:
        """Forget all predictions."""
        self.average_precision.reset()
        self.errors.reset()
