"""Rendered people as the data module gives them."""

from pathlib import Path

import pytest

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform


@pytest.fixture
def data(rendered: Path) -> PoseDataModule:
    """The rendered people, augmented with the recipe's geometry in training; set up."""
    train, val = (
        {"people": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")}
        for split in ("train2017", "val2017")
    )
    made = PoseDataModule(train, val, root=str(rendered), geometry=GeometricTransform(), num_workers=0, batch_size=8)
    made.setup("fit")
    return made
