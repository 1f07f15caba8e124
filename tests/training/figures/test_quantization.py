import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from elifpose.quantization import LayerError
from elifpose.training.figures.quantization import range_figure, sensitivity_figure
from elifpose.training.quantization_points import PointValues
from elifpose.utils.drawing import MIDDLE, RIGHT, pixels


def point(name: str, bits: int = 8, low: float = -1.0, high: float = 3.0, clipped: float = 0.0) -> PointValues:
    sample = np.linspace(0.0, 2.0, 2001, dtype=np.float32)
    return PointValues(name, bits, low, high, smallest=-0.5, largest=3.4, clipped=clipped, sample=sample)


def bars(axis: Axes) -> list[Rectangle]:
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


def labels(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.get_yticklabels()]


def test_rows_are_points_with_width_and_bits() -> None:
    figure = range_figure([point("a.b"), point("a.c", bits=16, low=0.0, high=0.01)])
    axis = figure.axes[0]
    assert labels(axis) == ["a.b", "a.c"]
    (scatter,) = axis.collections
    offsets, colors = np.asarray(scatter.get_offsets()), np.asarray(scatter.get_facecolor())
    assert offsets.tolist() == pytest.approx(np.array([[4.0, 0.0], [0.01, 1.0]]))
    assert same_color(colors[0], MIDDLE)
    assert same_color(colors[1], RIGHT)
    assert axis.get_xscale() == "log"
    assert "16 bits" in axis.get_title()
    assert "16 bits" not in range_figure([point("a.b")]).axes[0].get_title()


def test_values_are_shares_of_the_range() -> None:
    axis = range_figure([point("a")]).axes[1]
    background, light, dark = bars(axis)
    assert (background.get_x(), background.get_width()) == (0, 1)
    assert (light.get_x(), light.get_width()) == pytest.approx((1.002 / 4, 1.996 / 4))
    assert (dark.get_x(), dark.get_width()) == pytest.approx((1.5 / 4, 1.0 / 4))
    line, median, zero = axis.collections
    assert np.asarray(line.get_paths()[0].vertices)[:, 0].tolist() == pytest.approx([0.5 / 4, 4.4 / 4])
    assert np.asarray(median.get_offsets())[0, 0] == pytest.approx(2 / 4)
    assert np.asarray(zero.get_offsets())[0, 0] == pytest.approx(1 / 4)


@pytest.mark.parametrize(("clipped", "end"), [(0.0, 1e-6), (1e-7, 1e-6), (0.01, 0.01), (1.0, 1.0)])
def test_the_clipped_share_is_where_its_bar_ends(clipped: float, end: float) -> None:
    (bar,) = bars(range_figure([point("a", clipped=clipped)]).axes[2])
    assert bar.get_x() + bar.get_width() == pytest.approx(end)


def test_every_second_stage_is_shaded() -> None:
    names = ["backbone.stem.0", "backbone.stem.1", "backbone.stage1.0", "head.gau.ln", "head.gau.o"]
    shades = bars(range_figure([point(name) for name in names]).axes[2])[:-5]
    assert [(shade.get_y(), shade.get_height()) for shade in shades] == [(1.5, 1.0)]


@pytest.mark.parametrize("count", [1, 150])
def test_any_number_of_points_is_drawn_even_without_a_range(count: int) -> None:
    points = [point(f"a.{number}", low=0.0, high=0.0) for number in range(count - 1)] + [point("b")]
    height, width, _ = pixels(range_figure(points)).shape
    assert width == 1100
    assert height == pytest.approx(120 + 15 * count, abs=2)


def test_the_worst_25_layers_and_what_they_cost() -> None:
    errors = [LayerError(f"layer{n}", 40.0 - n, 1.0 - n / 100, 3.0) for n in range(30)]
    figure = sensitivity_figure(errors)
    shift, noise = figure.axes
    assert labels(shift) == [error.name for error in errors[:25]]
    assert [bar.get_width() for bar in bars(shift)] == pytest.approx([error.mean_shift for error in errors[:25]])
    assert [bar.get_width() for bar in bars(noise)] == pytest.approx([40.0 - n for n in range(25)])
    assert shift.texts[0].get_text() == "1.000 (max. 3.0)"
    assert pixels(figure).size


def test_a_layer_without_noise_has_a_dash() -> None:
    figure = sensitivity_figure([LayerError("silent", math.inf, 0.0, 0.0)])
    assert [text.get_text() for text in figure.axes[1].texts] == ["–"]
    assert pixels(figure).size
