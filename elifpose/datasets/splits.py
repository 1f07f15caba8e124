"""A configuration's sets, opened one split at a time."""

from collections.abc import Mapping

from elifpose.datasets.datamodule import PoseDataModule, Split
from elifpose.datasets.pose_dataset import PoseDataset

STAGES: Mapping[Split, str] = {"train": "fit", "val": "validate", "test": "test", "predict": "predict"}
"""The stage that sets up each split."""


def open_split(data: PoseDataModule, split: Split) -> dict[str, PoseDataset]:
    """The sets of a split by name; those of training are opened and checked together with those of validation.

    Raises:
        ElifPoseError: As the data module's ``setup``.
    """
    data.setup(STAGES[split])
    return data.sets_of(split)


def detector_notes(sets: Mapping[str, PoseDataset]) -> list[str]:
    """A line for each set that crops a detector's boxes: whoever looks for keypoints there finds none."""
    return [
        f"{name}: a detector's boxes have no keypoints; --data.boxes=gt shows the annotated people"
        for name, data_set in sets.items()
        if data_set.from_detector
    ]
