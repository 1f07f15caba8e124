"""What a detected person's score is made of."""

import numpy as np

from elifpose.evaluation.people import FloatArray
from elifpose.evaluation.settings import PersonScore


def person_scores(
    keypoint_scores: FloatArray, box_scores: FloatArray, score: PersonScore, threshold: float = 0.2
) -> FloatArray:
    """Score of each person, by which average precision orders detections.

    With b the box's score and s the keypoints' scores: ``bbox`` is b, ``keypoint`` mean(s), ``bbox_keypoint``
    b · mean(s of those above the threshold), ``bbox_rle`` b + mean(s) + max(s).

    Args:
        keypoint_scores: ``(N, K)``, raw.
        box_scores: ``(N,)``.
        score: See `Evaluation`.
        threshold: Of ``bbox_keypoint``: keypoint scores up to this one are left out of the mean, which is 0 if none
            is above.

    Returns:
        ``(N,)`` float64.

    >>> person_scores(np.array([[0.1, 0.4, 0.6]]), np.array([0.5]), "bbox_keypoint")
    array([0.25])
    """
    of_keypoints = np.asarray(keypoint_scores, dtype=np.float64)
    of_boxes = np.array(box_scores, dtype=np.float64)
    match score:
        case "bbox":
            return of_boxes
        case "keypoint":
            return np.asarray(of_keypoints.mean(axis=1))
        case "bbox_keypoint":
            above = of_keypoints > threshold
            return np.asarray(of_boxes * np.where(above, of_keypoints, 0.0).sum(axis=1) / np.maximum(above.sum(1), 1))
        case "bbox_rle":
            return np.asarray(of_boxes + of_keypoints.mean(axis=1) + of_keypoints.max(axis=1))
