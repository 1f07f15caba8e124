"""Everything that is measured on one data set, from batches to figures."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from elifpose.evaluation.average_precision import Curves, precision_recall
from elifpose.evaluation.backends import figures_by
from elifpose.evaluation.bootstrap import Interval, bootstrap_ap
from elifpose.evaluation.calibration import CORRECT_WITHIN
from elifpose.evaluation.detections import detected_people
from elifpose.evaluation.matching import Matches, match
from elifpose.evaluation.oks import person_oks
from elifpose.evaluation.pck import auc, box_sizes, keypoint_distances, mean_error, pair_sizes, pck
from elifpose.evaluation.people import BoolArray, FloatArray, TruePeople
from elifpose.evaluation.per_keypoint import KeypointFigures, figures_per_keypoint
from elifpose.evaluation.person_metric import PersonMetric
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.settings import Evaluation
from elifpose.structures.batch import PoseBatch, to_image_frame
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.errors import ElifPoseError


@final
class SetEvaluation:
    """Predictions of a whole data set and what they are worth; each part is computed when it is first asked for.

    Args:
        skeleton: Of the predictions.
        settings: How they are judged.
        truth: Who is annotated in which image; also of a set without annotated people.
        predictions: Of all processes, everyone once.
        from_detector: Whether the boxes are a detector's: then OKS-NMS is done, as the settings say.

    Raises:
        ElifPoseError: If a prediction is of an image that the truth does not list.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        settings: Evaluation,
        truth: TruePeople,
        predictions: Predictions,
        from_detector: bool,
    ) -> None:
        self.skeleton = skeleton
        self.settings = settings
        self.truth = truth
        self.predictions = predictions
        self.from_detector = from_detector
        self._sigmas = np.asarray(skeleton.sigmas)
        if unknown := set(predictions.image_ids.tolist()) - set(truth.image_ids.tolist()):
            raise ElifPoseError(
                f"predictions of {len(unknown)} images, such as {min(unknown)}, that the ground truth does not list: "
                "evaluate with the annotations of the images that were predicted"
            )
        images = np.searchsorted(truth.image_ids, predictions.image_ids)
        self.kept, self.detected = detected_people(predictions, images, self._sigmas, settings, from_detector)
        """Positions in ``predictions`` of those that OKS-NMS left, and these as detections."""

    @property
    def has_truth(self) -> bool:
        """Whether anybody is annotated with keypoints; without, there are predictions but no figures."""
        return bool((~self.truth.ignored).any())

    @cached_property
    def matches(self) -> Matches:
        """Which detection finds whom."""
        return match(self.truth, self.detected, self._sigmas)

    @cached_property
    def curves(self) -> Curves:
        """Precision over recall."""
        return precision_recall(self.matches)

    @cached_property
    def figures(self) -> dict[str, float]:
        """COCO's ten figures, ``PCK@…``, ``AUC``, ``EPE`` (image pixels) and ``NME``; −1 over nothing.

        In a detector's boxes nobody is labelled, and all but COCO's are −1.
        """
        relative = self.relative_distances
        figures = figures_by(self.settings.evaluator, self.truth, self.detected, self._sigmas)
        figures |= {f"PCK@{threshold:g}": pck(relative, threshold) for threshold in self.settings.pck}
        pixels = self.distances
        return figures | {
            "AUC": auc(pixels),
            "EPE": mean_error(pixels),
            "NME": mean_error(self._normalised_distances),
        }

    @cached_property
    def per_keypoint(self) -> list[KeypointFigures]:
        """Figures of each keypoint by itself."""
        return figures_per_keypoint(self.skeleton, self.truth, self.detected, self.predictions)

    @cached_property
    def distances(self) -> FloatArray:
        """``(N, K)``, image pixels from predicted to true keypoints; NaN where not labelled."""
        of = self.predictions
        return keypoint_distances(of.keypoints, of.keypoints_true, of.labelled)

    @cached_property
    def relative_distances(self) -> FloatArray:
        """``(N, K)``, the same by the larger side of the person's box."""
        of = self.predictions
        return keypoint_distances(of.keypoints, of.keypoints_true, of.labelled, box_sizes(of.boxes))

    @property
    def _normalised_distances(self) -> FloatArray:
        if self.settings.nme is None:
            return self.relative_distances
        of = self.predictions
        first, second = (self.skeleton.keypoints.index(name) for name in self.settings.nme)
        sizes = pair_sizes(of.keypoints_true, of.labelled, (first, second))
        return keypoint_distances(of.keypoints, of.keypoints_true, of.labelled, sizes)

    @cached_property
    def similarities(self) -> FloatArray:
        """``(N,)``, OKS of each prediction with the person whose box it was made in; NaN if nothing is labelled."""
        of = self.predictions
        return person_oks(of.keypoints, of.keypoints_true, of.labelled, of.areas, self._sigmas)

    def scored_keypoints(self) -> tuple[FloatArray, BoolArray]:
        """Raw scores ``(M,)`` of all keypoints that count in PCK, and whether each is right (PCK@0.1)."""
        counted = ~np.isnan(self.relative_distances)
        return self.predictions.keypoint_scores[counted], self.relative_distances[counted] < CORRECT_WITHIN

    def interval(self, replicates: int, seed: int = 0) -> Interval:
        """AP with its 95 % bootstrap interval over images."""
        return bootstrap_ap(self.matches, replicates, seed)

    def results(self) -> list[dict[str, Any]]:
        """The detections as a COCO results JSON: raw keypoint scores, persons' scores, boxes."""
        of = self.predictions
        triples = np.concatenate((of.keypoints, of.keypoint_scores[..., None]), axis=-1)
        keypoints = triples.reshape(len(triples), 3 * self.skeleton.num_keypoints)
        columns = (of.image_ids[self.kept], keypoints[self.kept], self.detected.scores, of.boxes[self.kept])
        return [
            {"image_id": image_id, "category_id": 1, "keypoints": values, "score": score, "bbox": box}
            for image_id, values, score, box in zip(*(column.tolist() for column in columns), strict=True)
        ]


@final
class SetEvaluator(PersonMetric):
    """Collects a network's predictions on one data set, batch by batch, in any number of processes.

    Args:
        skeleton: The skeleton of the predictions.
        ground_truth: The set as a COCO JSON dict in that skeleton, crowds and unlabelled people included.
        settings: How predictions are judged.
        from_detector: Whether the boxes are a detector's.

    Raises:
        ElifPoseError: If ``settings.nme`` names a keypoint that the skeleton has not.
    """

    keypoints: list[Tensor]
    keypoint_scores: list[Tensor]
    box_scores: list[Tensor]
    boxes: list[Tensor]
    keypoints_true: list[Tensor]
    labelled: list[Tensor]
    areas: list[Tensor]
    pixel_sizes: list[Tensor]

    def __init__(
        self,
        skeleton: Skeleton,
        ground_truth: Mapping[str, Any],
        settings: Evaluation = Evaluation(),  # noqa: B008 - frozen; the signature is the configuration
        from_detector: bool = False,
    ) -> None:
        K = skeleton.num_keypoints
        if unknown := set(settings.nme or ()) - set(skeleton.keypoints):
            raise ElifPoseError(
                f"model.evaluation.nme: skeleton {skeleton.name!r} has no keypoint {', '.join(sorted(unknown))};"
                f" choose two of {', '.join(skeleton.keypoints)}"
            )
        rows: dict[str, tuple[int, ...]] = {"keypoints": (K, 2), "keypoint_scores": (K,), "box_scores": ()}
        rows |= {"boxes": (4,), "keypoints_true": (K, 2), "labelled": (K,), "areas": (), "pixel_sizes": ()}
        super().__init__(rows)
        self.skeleton = skeleton
        self.settings = settings
        self.from_detector = from_detector
        self.truth = TruePeople.from_coco(ground_truth, K)

    def update(self, keypoints_input: Tensor, scores: Tensor, batch: PoseBatch) -> None:
        """Add predictions ``(N, K, 2)``, input pixels, and raw scores ``(N, K)`` for the people of a batch."""
        (a, b), (c, d) = batch.input_to_image[:, :, :2].permute(1, 2, 0)
        pixel_sizes = (a * d - b * c).abs().sqrt()  # side of an input pixel, image pixels
        self._append(
            {
                "keypoints": to_image_frame(keypoints_input, batch.input_to_image),
                "keypoint_scores": scores,
                "box_scores": batch.box_scores,
                "boxes": batch.boxes_image,
                "keypoints_true": to_image_frame(batch.keypoints_input, batch.input_to_image),
                "labelled": batch.weights > 0,
                "areas": batch.areas,
                "pixel_sizes": pixel_sizes,
                "image_ids": batch.image_ids,
                "sample_indices": batch.sample_indices,
            }
        )

    def compute(self) -> dict[str, Tensor]:
        """The figures of `SetEvaluation.figures` over all processes, float64 scalars on the CPU."""
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self._evaluation().figures.items()}

    def evaluate(self) -> SetEvaluation:
        """All that was added, over all processes: in a run of several, each must call it."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._evaluation()

    def _evaluation(self) -> SetEvaluation:
        arrays = {name: values.numpy() for name, values in self._persons().items()}
        columns: dict[str, Any] = {
            name: array if name in ("image_ids", "sample_indices") else array.astype(np.float64)
            for name, array in arrays.items()
        }
        columns["labelled"] = arrays["labelled"] > 0
        return SetEvaluation(self.skeleton, self.settings, self.truth, Predictions(**columns), self.from_detector)
