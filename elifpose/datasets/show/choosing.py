"""Whom a contact sheet shows, and how they are cropped."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.sampler import SampleKey
from elifpose.structures import PoseSample
from elifpose.structures.batch import collate


class Shown(NamedTuple):
    """One sample on a sheet."""

    data_set: str
    sample: PoseSample


def choose(sizes: Mapping[str, int], count: int, seed: int) -> dict[str, list[int]]:
    """People at random, as many of each set as there are of any other, as far as they reach.

    Args:
        sizes: People in each set.
        count: How many to choose; all there are, if that is fewer.
        seed: Decides who.

    Returns:
        Positions in each set that somebody is chosen of, ascending.
    """
    shares = dict.fromkeys(sizes, 0)
    wanted = min(count, sum(sizes.values()))
    while missing := wanted - sum(shares.values()):
        open_sets = [name for name, size in sizes.items() if shares[name] < size]
        for name in open_sets[:missing]:
            shares[name] += 1
    rng = np.random.default_rng(seed)
    return {
        name: sorted(rng.choice(sizes[name], share, replace=False).tolist())
        for name, share in shares.items()
        if share
    }


def crop(sets: Mapping[str, PoseDataset], chosen: Mapping[str, Sequence[int]], epoch: int, stage: int) -> list[Shown]:
    """The chosen people as the sets crop them, set by set.

    Args:
        sets: By name.
        chosen: Positions of people in each set.
        epoch: Decides the augmentation.
        stage: 1, or 2 as in the last epochs of the recipe.
    """
    return [
        Shown(name, sample)
        for name, positions in chosen.items()
        for sample in sets[name].__getitems__([SampleKey(epoch, stage, position) for position in positions])
    ]


def without_augmentation(data_set: PoseDataset, mirrored: bool = False) -> PoseDataset:
    """The same set with plain crops, all of them mirrored if asked for: by what mirrors in training."""
    plain = copy.copy(data_set)
    plain.augmented = True
    plain.transform = dataclasses.replace(
        data_set.transform,
        flip_prob=float(mirrored),
        half_body_prob=0.0,
        shift_prob=0.0,
        scale_factor=0.0,
        rotation_prob=0.0,
    )
    return plain


def recolored(shown: Sequence[Shown], photometric: PhotometricAugment, seed: int, stage: int) -> list[Shown]:
    """Samples with their colours and sharpness changed as the device does it in training."""
    generator = torch.Generator().manual_seed(seed)
    images = photometric(collate([of.sample for of in shown]).images, generator, stage).permute(0, 2, 3, 1).numpy()
    return [of._replace(sample=of.sample._replace(image=image)) for of, image in zip(shown, images, strict=True)]
