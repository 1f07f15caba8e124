"""From a network's predictions to detections: scored, and each person once."""

from elifpose.evaluation.people import DetectedPeople, FloatArray, IntArray
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.settings import Evaluation


def detected_people(
    predictions: Predictions, images: IntArray, sigmas: FloatArray, settings: Evaluation, from_detector: bool
) -> tuple[IntArray, DetectedPeople]:
    """Score the predictions and, in a detector's boxes, suppress repetitions.

    Args:
        predictions: ``N`` people.
        images: ``(N,)``, their images as positions in `TruePeople.image_ids`.
        sigmas: ``(K,)``.
        settings: How scores are made and what is suppressed.
        from_detector: Whether the boxes are a detector's.

    Returns:
        Positions in ``predictions`` of the people kept, ascending, and these as detections. Their areas are their
        boxes'.
    """
    raise NotImplementedError
