"""One annotated set of images, as a configuration names it."""

import math
from dataclasses import dataclass
from typing import Literal, final

from elifpose.utils.errors import ElifPoseError


@final
@dataclass(frozen=True)
class PoseSet:
    """Where a set's annotations and images lie, and how much of it training sees.

    Relative paths start at the data module's ``root``.

    Args:
        annotations: The COCO-style JSON file. Testing and prediction also take one in which nobody has keypoints, or
            nobody is annotated at all.
        images: The folder that the JSON's file names start from.
        skeleton: Name of the skeleton that the set is annotated with; keypoints go to the network's skeleton by name.
        detections: JSON file of a detector's person boxes (``image_id``, ``category_id``, ``bbox``, ``score``).
            Validation, testing and prediction then crop those boxes instead of the annotated ones; training does not
            use it.
        weight: Share in training relative to the set's size: 1 shows everyone once an epoch, 0.5 half of the people,
            drawn anew each epoch, 2 everyone twice.
        keypoint_weights: Weights of this set's keypoints in the loss: by name, 1 for those not named; or ``skeleton``
            for the joint weights of the set's skeleton (the recipe's). 0 ignores a keypoint. All 1 if None.

    Raises:
        ElifPoseError: If a weight is not a positive number, or a keypoint's weight is negative or of a keypoint that
            the set's skeleton does not have.
    """

    annotations: str
    images: str
    skeleton: str = "coco17"
    detections: str | None = None
    weight: float = 1.0
    keypoint_weights: dict[str, float] | Literal["skeleton"] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ElifPoseError(
                f"a set's weight must be positive, not {self.weight}; leave the set out to give it none"
            )
