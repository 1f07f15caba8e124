"""Crops of people to calibrate and to check with: of a configuration's sets, or rendered."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.splits import open_split
from elifpose.datasets.synthetic import render_scene
from elifpose.datasets.transforms import GeometricTransform, warp
from elifpose.structures.batch import collate
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

PEOPLE_AT_ONCE = 32
_SCENE_SIZE = (320, 320)  # pixels; as sharp as a crop of 256
_SEED = 0


def people_of(data: PoseDataModule, count: int, training: bool) -> Iterator[Tensor]:
    """Crops as evaluation cuts them, evenly spread over the sets.

    Args:
        data: Names the sets; they are opened here.
        count: How many people altogether, or all where there are fewer.
        training: Whether of the training sets, which calibration takes, or of those of validation.

    Returns:
        Batches ``(N, 3, H, W)`` uint8 RGB.
    """
    sets = list(open_split(data, "train" if training else "val").values())
    for of_set, share in zip(sets, _shares([len(of_set) for of_set in sets], count), strict=True):
        chosen = np.linspace(0, len(of_set) - 1, share).round().astype(int).tolist() if share else []
        yield from _batches(of_set, chosen)


def rendered_people(count: int, input_size: tuple[int, int]) -> Iterator[Tensor]:
    """Crops of rendered people, the same each time: they need no data set, and may be shown to anybody.

    Args:
        count: How many.
        input_size: Width and height of the crops, pixels.

    Returns:
        Batches ``(N, 3, H, W)`` uint8 RGB.
    """
    crops: list[Tensor] = []
    scenes = (render_scene(np.random.default_rng((_SEED, number)), _SCENE_SIZE) for number in range(count))
    for scene in scenes:
        for person in scene.people[:1]:  # the nearest
            box = np.asarray(person.box, np.float64)
            seen = person.visibility > 0
            plan = GeometricTransform().draw(person.keypoints, seen, box, HALPE26, input_size, None)
            crops.append(torch.from_numpy(warp(scene.image, plan.matrix, input_size)).permute(2, 0, 1))
    for start in range(0, len(crops), PEOPLE_AT_ONCE):
        yield torch.stack(crops[start : start + PEOPLE_AT_ONCE])


def _batches(of_set: PoseDataset, chosen: Sequence[int]) -> Iterator[Tensor]:
    for start in range(0, len(chosen), PEOPLE_AT_ONCE):
        yield collate(of_set.__getitems__(chosen[start : start + PEOPLE_AT_ONCE])).images


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of each set: by size, at least one."""
    if count < 1:
        raise ElifPoseError(f"people to check with must be at least 1, not {count}")
    total = sum(sizes)
    return [min(size, max(1, round(count * size / total))) for size in sizes]
