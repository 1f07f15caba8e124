from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.structures import PoseBatch, get_skeleton
from elifpose.training.figures.simcc import evenly, simcc_figure
from elifpose.utils.drawing import pixels

MakeBatch = Callable[[int], PoseBatch]
SKELETON = get_skeleton("coco17")
CODEC = SimCC((48, 64), sigma=(3.0, 3.0))


def logits_at(keypoints_input: Tensor) -> tuple[Tensor, Tensor]:
    """Logits that decode to the keypoints."""
    targets = CODEC.encode(keypoints_input, torch.ones(keypoints_input.shape[:2]))
    return targets.x, targets.y


def test_curves_peak_at_the_prediction_and_lines_mark_prediction_and_truth(grey_batch: MakeBatch) -> None:
    batch = grey_batch(2)
    figure = simcc_figure(batch, logits_at(batch.keypoints_input + torch.tensor([20.0, 0.0])), CODEC, SKELETON)
    assert len(figure.axes) == 4 * 3
    for number, keypoint in enumerate((0, 5, 11, 16)):
        crop, above, beside = figure.axes[3 * number : 3 * number + 3]
        assert above.get_title() == SKELETON.keypoints[keypoint]
        x, y = (CODEC.split_ratio * batch.keypoints_input[0, keypoint]).tolist()
        curve, predicted, true = (np.asarray(line.get_xdata(), dtype=float) for line in above.lines)
        heights = np.asarray(above.lines[0].get_ydata())
        assert curve[heights.argmax()] == pytest.approx(x + 40, abs=0.5)
        assert predicted[0] == pytest.approx(x + 40, abs=0.5)
        assert true[0] == pytest.approx(x)
        curve, predicted, true = (np.asarray(line.get_ydata(), dtype=float) for line in beside.lines)
        assert curve[np.asarray(beside.lines[0].get_xdata()).argmax()] == pytest.approx(y, abs=0.5)
        assert predicted[0] == pytest.approx(y, abs=0.5)
        assert true[0] == pytest.approx(y)
        assert above.get_xlim() == crop.get_xlim()
        assert beside.get_ylim() == crop.get_ylim()


def test_pixel_centres_lie_on_their_bins(grey_batch: MakeBatch) -> None:
    batch = grey_batch(1)
    figure = simcc_figure(batch, logits_at(batch.keypoints_input), CODEC, SKELETON, count=1)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert left + 10.5 * (right - left) / 48 == pytest.approx(10 * CODEC.split_ratio)
    assert top + 60.5 * (bottom - top) / 64 == pytest.approx(60 * CODEC.split_ratio)


def test_a_person_without_labels_has_no_line_of_truth(grey_batch: MakeBatch) -> None:
    batch = grey_batch(1)._replace(weights=torch.zeros(1, 17))
    figure = simcc_figure(batch, logits_at(batch.keypoints_input), CODEC, SKELETON)
    assert all(len(axis.lines) == 2 for axis in figure.axes if axis.get_title())


def test_logits_that_are_no_numbers_are_drawn_without_curves(grey_batch: MakeBatch) -> None:
    broken = torch.full((1, 17, CODEC.bins[0]), torch.nan), torch.full((1, 17, CODEC.bins[1]), torch.nan)
    assert pixels(simcc_figure(grey_batch(1), broken, CODEC, SKELETON)).size


@pytest.mark.parametrize(
    ("labelled", "chosen"),
    [
        ([0, 1, 0, 1, 1, 0, 1, 1], [1, 4, 7]),
        ([0, 0, 1, 0, 0, 0, 0, 0], [2]),
        ([0, 0, 0, 0, 0, 0, 0, 0], [0, 4, 7]),
    ],
)
def test_keypoints_are_chosen_evenly_among_the_labelled(labelled: list[int], chosen: list[int]) -> None:
    assert evenly(torch.tensor(labelled) > 0, 3) == chosen
