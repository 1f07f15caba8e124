import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.evaluation.average_precision import Curves
from elifpose.training.figures.curves import precision_recall_figure, reliability_figure
from elifpose.utils.drawing import pixels


def legend(axis: Axes) -> list[str]:
    found = axis.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_three_thresholds_of_all_people_are_shown_with_their_average_precision() -> None:
    precision = np.zeros((3, 10, 101))
    precision[1:] = 0.99  # of medium and large people
    for position, reached in enumerate(range(100, 0, -10)):
        precision[0, position, :reached] = 0.5
    figure = precision_recall_figure(Curves(precision, np.zeros((3, 10))))
    (axis,) = figure.axes
    shown = {0.5: 100, 0.75: 50, 0.9: 20}
    assert legend(axis) == [f"OKS {oks:g}: AP {0.5 * reached / 101:.3f}" for oks, reached in shown.items()]
    for line, reached in zip(axis.lines, shown.values(), strict=True):
        recalls, heights = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert recalls[heights > 0].max() == pytest.approx((reached - 1) / 100)
    assert pixels(figure).size


def test_calibrated_scores_are_compared_with_what_came_true() -> None:
    calibration = ScoreCalibration(temperature=2.0, offset=1.0)
    scores = np.array([1.0, 1.0, 1.0, 1.0, 1.0 + 2 * np.log(9), np.nan])  # probabilities of ½ and 0.9
    correct = np.array([True, False, False, False, True, True])
    figure = reliability_figure(scores, correct, calibration)
    (axis,) = figure.axes
    (marks,) = axis.collections
    assert np.asarray(marks.get_offsets()) == pytest.approx(np.array([[0.5, 0.25], [0.9, 1.0]]))
    assert f"{(4 * 0.25 + 0.1) / 5:.3f}" in axis.get_title()
    heights = [patch.get_height() for patch in axis.patches if isinstance(patch, Rectangle)]
    assert sorted(heights)[-2:] == pytest.approx([0.2, 0.8])
    assert pixels(figure).size


def test_scores_without_a_calibration_are_shown_in_tenths() -> None:
    scores = np.arange(100.0)[::-1]
    figure = reliability_figure(scores, scores >= 45, None)
    (axis,) = figure.axes
    (line,) = axis.lines
    assert np.asarray(line.get_xdata()) == pytest.approx(np.arange(4.5, 100, 10))
    assert np.asarray(line.get_ydata()) == pytest.approx(np.array([0, 0, 0, 0, 0.5, 1, 1, 1, 1, 1]))
    assert "not calibrated" in axis.get_title()


@pytest.mark.parametrize("calibration", [None, ScoreCalibration(1.0, 0.0)])
def test_one_keypoint_is_enough(calibration: ScoreCalibration | None) -> None:
    assert pixels(reliability_figure(np.array([0.3]), np.array([True]), calibration)).size
