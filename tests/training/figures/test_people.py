import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection

from elifpose.structures import PoseBatch, get_skeleton
from elifpose.structures.batch import to_image_frame
from elifpose.training.figures.people import people_figure, similarity_titles, to_input_frame
from elifpose.utils.drawing import pixels

MakeBatch = Callable[[int], PoseBatch]
SKELETON = get_skeleton("coco17")
BESIDE = torch.tensor([20.0, 0.0])


@pytest.mark.parametrize(("people", "columns", "rows"), [(1, 1, 1), (5, 5, 1), (20, 8, 3)])
def test_each_person_has_a_crop_and_a_title(grey_batch: MakeBatch, people: int, columns: int, rows: int) -> None:
    batch = grey_batch(people)
    figure = people_figure(batch, batch.keypoints_input, SKELETON, [f"number {i}" for i in range(people)])
    filled = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in filled] == [f"number {i}" for i in range(people)]
    assert len({round(axis.get_position().x0, 6) for axis in filled}) == columns
    assert len({round(axis.get_position().y0, 6) for axis in filled}) == rows
    assert pixels(figure).shape[1] <= 1100


def test_predictions_are_coloured_lines_and_annotations_white_rings(grey_batch: MakeBatch) -> None:
    batch = grey_batch(1)
    figure = people_figure(batch, batch.keypoints_input + BESIDE, SKELETON)
    shown = pixels(figure).astype(int)
    (axis,) = figure.axes
    column = {x: round(float(axis.transData.transform((x, 32))[0])) for x in (10, 30)}
    colourful = np.ptp(shown, axis=-1).max(axis=0) > 100
    assert colourful[column[30] - 1 : column[30] + 2].any()
    assert not colourful[column[10] - 5 : column[10] + 6].any()
    inside = shown[:, column[10] - 5 : column[10] + 6]
    assert (inside.min(axis=-1) > 200).any(), "the rings"


def test_unlabelled_keypoints_have_no_ring(grey_batch: MakeBatch) -> None:
    batch = grey_batch(2)
    weights = torch.zeros(2, 17)
    for person, keypoint in enumerate((3, 8)):
        weights[person, keypoint] = 1
    axes = people_figure(batch._replace(weights=weights), batch.keypoints_input, SKELETON).axes
    for person, keypoint in enumerate((3, 8)):
        rings = [of for of in axes[person].collections if isinstance(of, PathCollection)]
        assert rings
        for ring in rings:
            assert np.asarray(ring.get_offsets()).tolist() == [batch.keypoints_input[person, keypoint].tolist()]


def test_keypoints_that_are_no_numbers_are_left_out(grey_batch: MakeBatch) -> None:
    batch = grey_batch(1)
    assert pixels(people_figure(batch, torch.full((1, 17, 2), torch.nan), SKELETON)).size


def test_titles_say_the_similarity_of_the_labelled_keypoints(grey_batch: MakeBatch) -> None:
    batch = grey_batch(3)
    weights = torch.zeros(3, 17)
    weights[:2, 0] = 1  # the nose; nothing of the third
    predicted = batch.keypoints_input.clone()
    predicted[1, 0] += torch.tensor([3.0, 4.0])
    expected = math.exp(-25 / (2 * 1600 * (2 * 0.026) ** 2))
    assert 0.05 < expected < 0.95
    titles = similarity_titles(batch._replace(weights=weights), predicted, SKELETON)
    assert titles == ["OKS 1.00", f"OKS {expected:.2f}", ""]


def test_the_similarity_is_that_of_the_image_not_of_the_crop(grey_batch: MakeBatch) -> None:
    batch = grey_batch(1)
    predicted = batch.keypoints_input + torch.tensor([3.0, 4.0])
    doubled = batch._replace(input_to_image=2 * batch.input_to_image, areas=4 * batch.areas)
    assert similarity_titles(doubled, predicted, SKELETON) == similarity_titles(batch, predicted, SKELETON)
    enlarged = batch._replace(input_to_image=2 * batch.input_to_image)
    assert similarity_titles(enlarged, predicted, SKELETON) != similarity_titles(batch, predicted, SKELETON)


def test_keypoints_come_back_into_the_crop() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64)
    keypoints = torch.randn(5, 17, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(to_input_frame(to_image_frame(keypoints, matrices), matrices), keypoints)
