"""Rendered people as a set to keep crops of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton

OpenSet = Callable[..., PoseDataset]


@pytest.fixture
def open_set(rendered: Path) -> OpenSet:
    """A function that opens the rendered people for training at an input size."""

    def of(input_size: tuple[int, int] = (48, 64), transform: GeometricTransform | None = None) -> PoseDataset:
        annotations = "annotations/person_keypoints_train2017.json"
        pose_set, skeleton = PoseSet(annotations, "train2017", "halpe26"), get_skeleton("halpe26")
        transform = transform or GeometricTransform()
        return PoseDataset("people", pose_set, rendered, skeleton, input_size, transform, True, 0)

    return of
