import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from elifpose.evaluation.per_keypoint import KeypointFigures
from elifpose.structures import get_skeleton
from elifpose.training.figures.errors import error_figure, keypoint_figure
from elifpose.utils.drawing import LEFT, MIDDLE, RIGHT, pixels


def bars(patches: list[Rectangle]) -> list[tuple[float, float]]:
    return [(bar.get_x(), bar.get_height()) for bar in patches if bar.get_height()]


def test_bars_are_shares_of_the_labelled_and_the_rest_lies_beyond() -> None:
    distances = np.array([[0.012, 0.013, np.nan], [0.2525, 0.7, np.inf]])
    figure = error_figure(distances)
    (axis,) = figure.axes
    near, far, beyond = bars([patch for patch in axis.patches if isinstance(patch, Rectangle)])
    assert near == pytest.approx((0.010, 2 / 5))
    assert far == pytest.approx((0.250, 1 / 5))
    assert beyond[0] > 0.3
    assert beyond[1] == pytest.approx(2 / 5)
    assert [text.get_text() for text in axis.texts] == ["> 0.3\n40.0%"]
    legend = axis.get_legend()
    assert legend is not None
    assert "median 0.253" in [text.get_text() for text in legend.get_texts()]
    assert "5 labelled" in axis.get_title()


@pytest.mark.parametrize("distance", [0.0, 0.3, 5.0, np.inf])
def test_one_keypoint_is_enough(distance: float) -> None:
    figure = error_figure(np.array([[distance, np.nan]]))
    (axis,) = figure.axes
    heights = [patch.get_height() for patch in axis.patches if isinstance(patch, Rectangle)]
    assert sum(heights) == pytest.approx(1)
    assert pixels(figure).size


def test_each_keypoint_has_its_bars_in_the_colour_of_its_side() -> None:
    names = get_skeleton("halpe26").keypoints
    rows = [KeypointFigures(name, 5, i / 50, i / 40, 2.0, i / 400) for i, name in enumerate(names)]
    figure = keypoint_figure(rows)
    assert pixels(figure).shape[1] == 1100
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(names)
    for axis, divisor in zip(figure.axes, (50, 40, 400), strict=True):
        found = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
        assert [bar.get_width() for bar in found] == pytest.approx([i / divisor for i in range(26)])
        for name, bar in zip(names, found, strict=True):
            side = {"left": LEFT, "right": RIGHT}.get(name.split("_")[0], MIDDLE)
            assert same_color(bar.get_facecolor(), side), name


def test_what_was_not_measured_is_a_dash() -> None:
    figure = keypoint_figure([KeypointFigures("nose", 0, -1.0, -1.0, -1.0, -1.0)])
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["–"] * 3
    assert pixels(figure).size
