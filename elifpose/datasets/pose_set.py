"""One annotated set of images, as a configuration names it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError

PURPOSES = {
    "train": "to train on",
    "val": "to validate on",
    "test": "to test on",
    "predict": "to predict on",
}
"""What the sets of each split are for, in words."""
RESERVED = ("int8", "float")
"""Names that no set may have: QATCallback logs ``val/int8/AP`` and ``val/float/AP``."""
_ANNOTATED = "gt"


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
            for the joint weights of the set's skeleton (the recipe's). 0 ignores a keypoint. All 1 if None. In a
            mirrored image the weight stays with the annotated point. Only training sees them.

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
        if isinstance(self.keypoint_weights, dict):
            known = get_skeleton(self.skeleton).keypoints
            for name, weight in self.keypoint_weights.items():
                if name not in known:
                    raise ElifPoseError(
                        f"keypoint_weights: skeleton {self.skeleton!r} has no keypoint {name!r}; it has"
                        f" {', '.join(known)}"
                    )
                if not (math.isfinite(weight) and weight >= 0):
                    raise ElifPoseError(f"keypoint_weights: {name} has {weight}; a weight must be 0 or more")

    def loss_weights(self) -> tuple[float, ...]:
        """``(K,)``, the weight in the loss of each keypoint of the set's skeleton."""
        skeleton = get_skeleton(self.skeleton)
        if self.keypoint_weights == "skeleton":
            return skeleton.joint_weights
        weights = self.keypoint_weights or {}
        return tuple(weights.get(name, 1.0) for name in skeleton.keypoints)


def with_boxes(sets: Mapping[str, PoseSet], boxes: str | None, split: str, given_as: str) -> dict[str, PoseSet]:
    """Sets with other boxes to crop as their ``detections``.

    Args:
        sets: By name.
        boxes: ``gt`` for annotated boxes, a JSON file of a detector's for the one set there is, or None for each
            set's own.
        split: What the sets are for, for the error.
        given_as: The split that they are given under, for the error.

    Raises:
        ElifPoseError: If ``boxes`` is a file and there are several sets.
    """
    if boxes is None:
        return dict(sets)
    if boxes != _ANNOTATED and len(sets) > 1:
        raise ElifPoseError(
            f"data.boxes: {boxes} is one file, but there are {len(sets)} sets {PURPOSES[split]} ({', '.join(sets)});"
            f" give each its own by --data.{given_as}.NAME.detections"
        )
    return {name: replace(of_set, detections=None if boxes == _ANNOTATED else boxes) for name, of_set in sets.items()}
