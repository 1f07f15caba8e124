"""One annotated set of images, as a configuration names it."""

import math
from dataclasses import dataclass
from typing import final

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

    Raises:
        ElifPoseError: If ``weight`` is not a positive number.
    """

    annotations: str
    images: str
    skeleton: str = "coco17"
    detections: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ElifPoseError(
                f"a set's weight must be positive, not {self.weight}; leave the set out to give it none"
            )
