"""What a set's people are like, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from elifpose.datasets.pose_dataset import PoseDataset

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

TOGETHER = "all together"
REASONS = ("crowds", "no keypoints", "other")
SIDES = ("left", "top", "right", "bottom")
BORDER = 2.0
"""Image pixels: a box whose side is at most so far from the image's is taken to be cut off by it."""
_HIDDEN = 1
_QUANTILES = (0.05, 0.5, 0.95)


@final
@dataclass(frozen=True, eq=False)
class SetStatistics:
    """Of one set, or of several together: ``S`` people in ``I`` images, ``K`` keypoints of the network's skeleton."""

    name: str
    people_per_image: IntArray
    """``(I,)``, of the images that somebody is taken from."""
    box_sizes: FloatArray
    """``(S, 2)``, width and height inside the image, image pixels."""
    person_sizes: FloatArray
    """Square roots of the annotated areas, image pixels; ``(S,)``, or fewer where some have no area."""
    cut_off: npt.NDArray[np.bool_]
    """``(S, 4)``, whether the box ends at the image's border, by `SIDES`."""
    keypoints_per_person: IntArray
    """``(S,)``, how many are labelled."""
    labelled: IntArray
    """``(K,)``, people that have it labelled, hidden or not."""
    hidden: IntArray
    """``(K,)``, people that have it labelled as hidden."""
    left_out: dict[str, int]
    """Annotated people that are not shown to the network, by `REASONS`; empty for a detector's boxes."""
    epoch_people: int | None
    """How many people of it an epoch of training shows; None outside training."""

    @property
    def people(self) -> int:
        """How many there are."""
        return len(self.box_sizes)


def count(data_set: PoseDataset, epoch_people: int | None = None) -> SetStatistics:
    """Count one set.

    Args:
        data_set: As it is shown to the network.
        epoch_people: How many people of it an epoch shows.
    """
    visibility, areas = data_set.visibility(), data_set.areas()
    boxes, images = data_set.boxes, data_set.image_indices
    low, far = boxes[:, :2], data_set.annotations.image_sizes[images] - boxes[:, :2] - boxes[:, 2:]
    return SetStatistics(
        name=data_set.name,
        people_per_image=np.unique(images, return_counts=True)[1],
        box_sizes=boxes[:, 2:],
        person_sizes=np.sqrt(areas[areas > 0]),
        cut_off=np.concatenate((low, far), axis=1) <= BORDER,
        keypoints_per_person=np.count_nonzero(visibility, axis=1).astype(np.int64),
        labelled=np.count_nonzero(visibility, axis=0).astype(np.int64),
        hidden=np.count_nonzero(visibility == _HIDDEN, axis=0).astype(np.int64),
        left_out={} if data_set.from_detector else _left_out(data_set),
        epoch_people=epoch_people,
    )


def _left_out(data_set: PoseDataset) -> dict[str, int]:
    told = {finding.what: finding.number for finding in data_set.findings}
    crowds, without = told.get("crowds", 0), told.get("people without labelled keypoints", 0)
    other = len(data_set.annotations.ids) - len(data_set) - crowds - without
    return dict(zip(REASONS, (crowds, without, other), strict=True))


def together(sets: Sequence[SetStatistics]) -> SetStatistics:
    """Several sets as one; an image that two of them show counts twice."""
    annotated = [of.left_out for of in sets if of.left_out]
    epoch = [of.epoch_people for of in sets if of.epoch_people is not None]
    return SetStatistics(
        name=TOGETHER,
        people_per_image=np.concatenate([of.people_per_image for of in sets]),
        box_sizes=np.concatenate([of.box_sizes for of in sets]),
        person_sizes=np.concatenate([of.person_sizes for of in sets]),
        cut_off=np.concatenate([of.cut_off for of in sets]),
        keypoints_per_person=np.concatenate([of.keypoints_per_person for of in sets]),
        labelled=np.sum([of.labelled for of in sets], axis=0),
        hidden=np.sum([of.hidden for of in sets], axis=0),
        left_out={reason: sum(of[reason] for of in annotated) for reason in REASONS} if annotated else {},
        epoch_people=sum(epoch) if epoch else None,
    )


def quantiles(values: npt.NDArray[Any]) -> list[float] | None:
    """The 5 %, 50 % and 95 % quantile; None of nothing."""
    return [float(value) for value in np.quantile(values, _QUANTILES)] if values.size else None


def as_json(statistics: SetStatistics, keypoints: Sequence[str]) -> dict[str, Any]:
    """The numbers as JSON has them: people are counted, sizes are quantiles (5 %, 50 %, 95 %) in image pixels."""
    widths, heights = statistics.box_sizes.T
    return {
        "images": len(statistics.people_per_image),
        "people": statistics.people,
        "left_out": statistics.left_out,
        "epoch_people": statistics.epoch_people,
        "keypoints_per_person": float(statistics.keypoints_per_person.mean()),
        "box_width": quantiles(widths),
        "box_height": quantiles(heights),
        "person_size": quantiles(statistics.person_sizes),
        "cut_off": dict(zip(SIDES, statistics.cut_off.sum(axis=0).tolist(), strict=True))
        | {"any": int(statistics.cut_off.any(axis=1).sum())},
        "keypoints": {
            name: {"labelled": labelled, "hidden": hidden}
            for name, labelled, hidden in zip(
                keypoints, statistics.labelled.tolist(), statistics.hidden.tolist(), strict=True
            )
        },
    }
