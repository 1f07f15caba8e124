"""From a network's predictions to detections: scored, and each person once."""

from elifpose.evaluation.nms import suppress
from elifpose.evaluation.people import DetectedPeople, FloatArray, IntArray, finite_keypoints
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.scores import person_scores
from elifpose.evaluation.settings import Evaluation

_PADDING = 1.25  # of a box in a crop: the threshold of OKS-NMS is commonly given for areas that are padded like this


def detected_people(
    predictions: Predictions, images: IntArray, sigmas: FloatArray, settings: Evaluation, from_detector: bool
) -> tuple[IntArray, DetectedPeople]:
    """Score the predictions and, in a detector's boxes, suppress repetitions.

    OKS-NMS takes a box's area padded by 1.25 on each side's length, so that a threshold such as 0.9 means about what
    it means elsewhere, yet two poses are as similar for a network of any input size. MMPose also grows the area
    to the aspect ratio of the network's input: its similarities are never lower than these, and it suppresses
    somewhat more at the same threshold.

    Args:
        predictions: ``N`` people. A keypoint that is not finite matches nothing.
        images: ``(N,)``, their images as positions in `TruePeople.image_ids`.
        sigmas: ``(K,)``.
        settings: How scores are made and what is suppressed.
        from_detector: Whether the boxes are a detector's.

    Returns:
        Positions in ``predictions`` of the people kept, ascending, and these as detections. Their areas are their
        boxes'.
    """
    keypoints = finite_keypoints(predictions.keypoints)
    areas = predictions.boxes[:, 2] * predictions.boxes[:, 3]
    scores = person_scores(
        predictions.keypoint_scores, predictions.box_scores, settings.score, settings.score_threshold
    )
    mode = settings.nms if from_detector else "none"
    kept, scores = suppress(images, keypoints, scores, areas * _PADDING**2, sigmas, mode, settings.nms_threshold)
    return kept, DetectedPeople(images[kept], keypoints[kept], scores, areas[kept])
