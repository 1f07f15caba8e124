from collections.abc import Callable, Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from elifpose.datasets.statistics.counting import SetStatistics, together
from elifpose.datasets.statistics.figure import statistics_figure
from elifpose.structures import get_skeleton
from elifpose.utils.drawing import pixels

KEYPOINTS = get_skeleton("halpe26").keypoints
MakeStatistics = Callable[..., SetStatistics]


def overlapping(labels: Sequence[Text]) -> list[tuple[str, str]]:
    boxes = [(label.get_text(), label.get_window_extent()) for label in labels if label.get_text()]
    return [
        (first[0], second[0])
        for number, first in enumerate(boxes)
        for second in boxes[number + 1 :]
        if Bbox.intersection(first[1], second[1]) is not None
    ]


def labels_of(axis: Axes) -> list[Text]:
    ticks = [
        label
        for labels, number, limits in (
            (axis.get_xticklabels(), 0, axis.get_xlim()),
            (axis.get_yticklabels(), 1, axis.get_ylim()),
        )
        for label in labels
        if min(limits) <= label.get_position()[number] <= max(limits)
    ]
    return [*ticks, axis.xaxis.label, axis.yaxis.label, axis.title]


@pytest.mark.parametrize("median_heights", [[150.0], np.geomspace(30, 900, 8).tolist()])
def test_every_label_lies_in_the_picture_and_on_no_other(
    make_statistics: MakeStatistics, median_heights: list[float]
) -> None:
    sets = [make_statistics(f"a_long_name_{i}", 500 + i, height) for i, height in enumerate(median_heights)]
    figure = statistics_figure("train", sets, KEYPOINTS)
    height, width = pixels(figure).shape[:2]
    assert isinstance(figure.canvas, FigureCanvasAgg)
    assert max(width, height) <= 1300
    of_axes = [labels_of(axis) for part in figure.subfigs for axis in part.axes]
    assert len(of_axes) == 4 + len(sets)
    for labels in of_axes:
        assert not overlapping(labels)
        for label in labels:
            box = label.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside or not label.get_text(), label
    assert not overlapping([axis.title for axis in figure.subfigs[1].axes])


def test_sets_of_different_size_but_alike_look_alike(make_statistics: MakeStatistics) -> None:
    one = make_statistics("one", 200)
    upper, lower = statistics_figure("train", [one, together([one] * 10)], KEYPOINTS).subfigs
    for axis in upper.axes[:3]:
        first, second = (np.asarray(line.get_ydata(), np.float64) for line in axis.lines)
        assert np.allclose(first, second)
        assert first.sum() == pytest.approx(1)
    bars = [[bar.get_width() for bar in axis.patches if isinstance(bar, Rectangle)] for axis in lower.axes]
    assert bars[0] == pytest.approx(bars[1])
    visible, hidden = np.array(bars[0]).reshape(2, len(KEYPOINTS))
    assert visible + hidden == pytest.approx(one.labelled / 200)
