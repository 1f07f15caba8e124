"""How predictions are judged: what a configuration says under ``model.evaluation``."""

from dataclasses import dataclass
from typing import Literal, get_args

from elifpose.utils.errors import ElifPoseError

PersonScore = Literal["bbox", "keypoint", "bbox_keypoint", "bbox_rle"]
"""What a detected person's score is made of; `elifpose.evaluation.scores` has the formulas."""
Suppression = Literal["none", "hard", "soft"]
"""What happens to detections that resemble a better one of the same image."""
Evaluator = Literal["arrays", "pycocotools"]
"""Who computes average precision; the figures are the same."""


@dataclass(frozen=True)
class Evaluation:
    """How predictions are judged.

    Args:
        score: What a person's score is made of: the box's score (``bbox``), the mean of the keypoints'
            (``keypoint``), the box's times the mean of the keypoint scores above ``score_threshold``
            (``bbox_keypoint``), or the box's plus the keypoints' mean plus their largest (``bbox_rle``).
        score_threshold: See ``score``.
        nms: OKS-NMS of a detector's boxes: ``hard`` drops a detection whose OKS with a better one of its image is
            above ``nms_threshold``, ``soft`` lowers its score by how much they overlap. Annotated boxes, which are of
            different people, are all kept.
        nms_threshold: See ``nms``.
        nme: Two keypoints by whose true distance the normalised mean error is divided, such as
            ``[left_shoulder, right_hip]``; the larger side of the person's box if null.
        pck: Thresholds of PCK, as shares of the box's larger side.
        evaluator: Who computes average precision, to the same figures: ElifPose's own ``arrays`` or the slower
            ``pycocotools``.

    Raises:
        ElifPoseError: If a threshold is out of its range, a word is none of those above, or ``nme`` does not name two
            different keypoints.
    """

    score: PersonScore = "bbox_keypoint"
    score_threshold: float = 0.2
    nms: Suppression = "hard"
    nms_threshold: float = 0.9
    nme: tuple[str, str] | None = None
    pck: tuple[float, ...] = (0.05, 0.1, 0.2)
    evaluator: Evaluator = "arrays"

    def __post_init__(self) -> None:
        # JSON and YAML have lists for tuples.
        object.__setattr__(self, "pck", tuple(self.pck))
        object.__setattr__(self, "nme", None if self.nme is None else tuple(self.nme))
        for name, words in (("score", PersonScore), ("nms", Suppression), ("evaluator", Evaluator)):
            if getattr(self, name) not in get_args(words):
                raise ElifPoseError(
                    f"model.evaluation: {name} is {getattr(self, name)!r}; give one of {', '.join(get_args(words))}"
                )
        if not 0 < self.nms_threshold <= 1:
            raise ElifPoseError(
                f"model.evaluation: nms_threshold is {self.nms_threshold}; give an OKS above 0, up to 1"
            )
        if self.nme is not None and len(set(self.nme)) != 2:
            raise ElifPoseError(
                f"model.evaluation: nme is {list(self.nme)}; give the names of two keypoints, or null"
            )
        if not self.pck or not all(threshold > 0 for threshold in self.pck):
            raise ElifPoseError(f"model.evaluation: pck is {list(self.pck)}; give one or more shares above 0")
