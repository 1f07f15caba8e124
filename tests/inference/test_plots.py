"""Figures of an analysed walk."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from elifpose.biomechanics.muscles import GRIEVE, HAWKINS_HULL
from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.plots import angles_figure, cycles_figure, gaps, lengths_figure, plots, velocity_figure
from elifpose.utils.drawing import LEFT, RIGHT, pixels

Analysed = Callable[..., Analysis]


def _small_print(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def _colors(axis: Axes) -> set[tuple[float, float, float]]:
    return {to_rgb(line.get_color()) for line in axis.lines if len(np.asarray(line.get_xdata())) > 2}


def test_gaps_carry_their_commonest_reason() -> None:
    values = np.array([np.nan, 1.0, np.nan, np.nan, np.nan, 2.0, np.nan])
    reasons = np.array(["", "", "foot not seen", "legs exchanged", "foot not seen", "", "leg not seen"])
    assert list(gaps(values, reasons)) == [
        (0, 1, "not known"),
        (2, 5, "foot not seen"),
        (6, 7, "leg not seen"),
    ]


def test_all_values_known_have_no_gap() -> None:
    assert not list(gaps(np.zeros(4), np.full(4, "")))


def test_angles_are_drawn_raw_and_filtered_in_the_colours_of_the_sides(analysed: Analysed) -> None:
    analysis = analysed()
    hip, _, ankle = angles_figure(analysis).axes
    assert _colors(hip) == {LEFT, RIGHT}
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in ankle.lines}
    np.testing.assert_array_equal(drawn["right"], analysis.sides["right"].angles.ankle)
    assert np.isnan(drawn["left"][60:100]).all()
    assert any(np.array_equal(line.get_ydata(), analysis.sides["right"].raw.ankle) for line in ankle.lines)


def test_a_long_gap_is_shaded_and_says_why(analysed: Analysed) -> None:
    hip, _, ankle = angles_figure(analysed()).axes
    (shade,) = ankle.patches
    assert shade.get_extents().transformed(ankle.transData.inverted()).x0 == pytest.approx(59.5 / 30)
    assert [text.get_text() for text in ankle.texts] == ["left: foot not seen, gap longer than 0.2 s"]
    assert not hip.patches


def test_strikes_are_ticks_at_their_times(analysed: Analysed) -> None:
    analysis = analysed()
    expected = {tuple(analysis.track.times_s[side.strikes]) for side in analysis.sides.values()}
    axis = angles_figure(analysis).axes[0]
    drawn = {tuple(s[0, 0] for s in lines.get_segments()) for lines in axis.collections}  # type: ignore[attr-defined]
    assert drawn == expected
    assert all(len(times) > 1 for times in drawn)


@pytest.mark.parametrize(("model", "source"), [("hawkins_hull_1990", HAWKINS_HULL), ("grieve_1978", GRIEVE)])
def test_every_figure_cites_its_model(analysed: Analysed, model: str, source: str) -> None:
    shown = plots(analysed(Settings(model=model)))
    assert [plot.name for plot in shown] == ["angles", "lengths", "gait_cycle", "velocity"]
    for plot in shown:
        assert "model estimate, not a measurement" in _small_print(plot.figure)
        assert (source in _small_print(plot.figure)) is (plot.name != "angles")


def test_lengths_are_percent_of_neutral(analysed: Analysed) -> None:
    analysis = analysed(Settings(muscles=("soleus", "rectus_femoris", "gracilis")))
    axes = lengths_figure(analysis).axes
    assert [axis.get_title() for axis in axes] == ["soleus", "rectus femoris", "gracilis"]
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in axes[1].lines}
    np.testing.assert_array_equal(drawn["left"], analysis.sides["left"].muscles["rectus_femoris"].percent)


def test_the_cycle_is_the_mean_of_whole_strides(analysed: Analysed) -> None:
    analysis = analysed()
    knee = cycles_figure(analysis).axes[1]
    side = analysis.sides["right"]
    frames = [np.linspace(a, b, 101) for a, b in pairwise(side.strikes)]
    expected = np.mean([np.interp(f, np.arange(180), side.angles.knee) for f in frames], axis=0)
    (drawn,) = [line for line in knee.lines if str(line.get_label()).startswith("right")]
    np.testing.assert_allclose(np.asarray(drawn.get_ydata()), expected)
    assert drawn.get_label() == f"right, {len(frames)} strides"


def test_a_stride_with_a_gap_is_left_out_of_the_mean(analysed: Analysed) -> None:
    analysis = analysed()
    strikes = analysis.sides["left"].strikes
    whole = sum(bool(b <= 59 or a >= 100) for a, b in pairwise(strikes))
    labels = [str(line.get_label()) for line in cycles_figure(analysis).axes[2].lines]
    assert f"left, {whole} stride{'s' * (whole != 1)}" in labels
    assert whole < len(strikes) - 1


def test_without_strides_there_is_no_cycle(analysed: Analysed) -> None:
    assert [plot.name for plot in plots(analysed(frames=20))] == ["angles", "lengths", "velocity"]


def test_one_side_and_one_muscle_are_enough(analysed: Analysed) -> None:
    analysis = analysed(Settings(sides=("right",), muscles=("soleus",)))
    (axis,) = velocity_figure(analysis).axes
    assert _colors(axis) == {RIGHT}
    for plot in plots(analysis):
        assert pixels(plot.figure).std() > 0
