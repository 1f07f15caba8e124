"""The same ten figures, computed by whom the user chooses."""

from elifpose.evaluation.people import DetectedPeople, FloatArray, TruePeople
from elifpose.evaluation.settings import Evaluator


def figures_by(
    evaluator: Evaluator, truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray
) -> dict[str, float]:
    """COCO's ten figures by `FIGURE_NAMES`; −1 over nobody.

    Raises:
        ElifPoseError: If the evaluator is not installed.
    """
    raise NotImplementedError
