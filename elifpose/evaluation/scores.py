"""What a detected person's score is made of."""

from elifpose.evaluation.people import FloatArray
from elifpose.evaluation.settings import PersonScore


def person_scores(
    keypoint_scores: FloatArray, box_scores: FloatArray, score: PersonScore, threshold: float = 0.2
) -> FloatArray:
    """Score of each person.

    Args:
        keypoint_scores: ``(N, K)``, raw.
        box_scores: ``(N,)``.
        score: See `Evaluation`.
        threshold: Of ``bbox_keypoint``: keypoint scores up to this one are left out of the mean, which is 0 if none
            is above.

    Returns:
        ``(N,)`` float64.
    """
    raise NotImplementedError
