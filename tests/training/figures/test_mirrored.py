import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from elifpose.structures import PoseBatch, get_skeleton
from elifpose.training.figures.mirrored import mirrored_figure
from elifpose.utils.drawing import LEFT, MIDDLE, RIGHT, pixels

MakeBatch = Callable[[int], PoseBatch]
SKELETON = get_skeleton("coco17")


def scattered(batch: PoseBatch) -> PoseBatch:
    """All keypoints apart from each other; each crop a ramp from left to right."""
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.rand(batch.keypoints_input.shape, generator=generator) * torch.tensor([47.0, 63.0])
    ramp = torch.arange(48, dtype=torch.uint8).mul(5).expand(batch.images.shape).contiguous()
    return batch._replace(keypoints_input=keypoints, images=ramp)


def points(figure: Figure) -> list[dict[tuple[float, float], str]]:
    """Of both crops, the colour at each keypoint's position."""
    names = {LEFT: "left", RIGHT: "right", MIDDLE: "middle"}
    sides = []
    for axis in figure.axes:
        _, marks = axis.collections
        colors = [
            next(name for color, name in names.items() if same_color(color, tuple(face)))
            for face in np.asarray(marks.get_facecolor())
        ]
        places = [(round(x, 3), round(y, 3)) for x, y in np.ma.getdata(marks.get_offsets()).tolist()]
        sides.append(dict(zip(places, colors, strict=True)))
    return sides


def test_each_point_keeps_its_place_on_the_body_and_changes_its_colour(grey_batch: MakeBatch) -> None:
    original, mirrored = points(mirrored_figure(scattered(grey_batch(1)), SKELETON))
    other = {"left": "right", "right": "left", "middle": "middle"}
    assert mirrored == {(round(47 - x, 3), y): other[color] for (x, y), color in original.items()}


def test_a_missing_flip_pair_is_seen(grey_batch: MakeBatch) -> None:
    broken = dataclasses.replace(SKELETON, flip_pairs=SKELETON.flip_pairs[1:])
    original, mirrored = points(mirrored_figure(scattered(grey_batch(1)), broken))
    unchanged = [place for place, color in original.items() if mirrored[(round(47 - place[0], 3), place[1])] == color]
    assert len(unchanged) == 3, "the nose, and both keypoints of the missing pair"


def test_the_crop_is_mirrored_and_the_person_is_the_best_labelled(grey_batch: MakeBatch) -> None:
    batch = scattered(grey_batch(3))
    weights = torch.zeros(3, 17)
    weights[1, :4] = 1
    batch.images[1, :, 0] = 255
    figure = mirrored_figure(batch._replace(weights=weights), SKELETON)
    original, mirrored = (np.asarray(axis.images[0].get_array()) for axis in figure.axes)
    assert (original == batch.images[1].permute(1, 2, 0).numpy()).all()
    assert (mirrored == original[:, ::-1]).all()
    _, marks = figure.axes[0].collections
    assert np.isfinite(np.ma.filled(marks.get_offsets(), np.nan)).all(axis=1).sum() == 4


def test_nobody_labelled_is_drawn_without_points(grey_batch: MakeBatch) -> None:
    assert pixels(mirrored_figure(grey_batch(1)._replace(weights=torch.zeros(1, 17)), SKELETON)).size
