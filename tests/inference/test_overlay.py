"""Frames with what was found drawn on them."""

from collections.abc import Callable

import numpy as np
import pytest

from elifpose.biomechanics.points import POINTS
from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.overlay import Overlay
from elifpose.inference.recording import FloatArray
from elifpose.utils.drawing import ImageArray

Analysed = Callable[..., Analysis]
_GREEN, _ORANGE = (0, 200, 80), (255, 128, 0)


def _frame(analysis: Analysis) -> ImageArray:
    width, height = analysis.recording.image_size
    return np.full((height, width, 3), 130, np.uint8)


def _middle(analysis: Analysis, frame: int, start: str, end: str) -> tuple[int, int]:
    """Row and column halfway between two points."""
    places = analysis.track.keypoints[frame, [POINTS[start], POINTS[end]], :2]
    x, y = np.rint(places.mean(axis=0)).astype(int).tolist()
    return y, x


@pytest.mark.parametrize(("side", "color"), [("left", _GREEN), ("right", _ORANGE)])
def test_legs_have_their_sides_colour(analysed: Analysed, side: str, color: tuple[int, int, int]) -> None:
    analysis = analysed()
    frame = 15 if side == "right" else 30
    drawn = Overlay(analysis).draw(_frame(analysis), frame)
    y, x = _middle(analysis, frame, f"{side}_knee", f"{side}_ankle")
    assert (drawn[y - 1 : y + 2, x - 1 : x + 2] == color).all(axis=-1).any()


def test_the_frame_given_stays_and_the_size_is_even(analysed: Analysed) -> None:
    analysis = analysed()
    overlay, image = Overlay(analysis), _frame(analysis)
    drawn = overlay.draw(image, 0)
    assert (image == 130).all()
    assert drawn.shape == (overlay.size[1], overlay.size[0], 3)
    assert overlay.size[0] % 2 == overlay.size[1] % 2 == 0
    with pytest.raises(ValueError, match="frame 3 is"):
        overlay.draw(image[:-1], 3)


def test_a_hidden_foot_and_its_angle_are_not_drawn(analysed: Analysed) -> None:
    analysis = analysed(Settings(sides=("left",)))
    ankle = analysis.track.keypoints[80, POINTS["left_ankle"], :2]
    overlay = Overlay(analysis)
    assert np.isnan(analysis.sides["left"].angles.ankle[80])
    assert not _has_plate(overlay.draw(_frame(analysis), 80), ankle)
    assert _has_plate(overlay.draw(_frame(analysis), 59), analysis.track.keypoints[59, POINTS["left_ankle"], :2])


def _has_plate(drawn: ImageArray, place: FloatArray) -> bool:
    """Whether something dark lies to the left of a place, where the far leg's number stands."""
    x, y = np.rint(place).astype(int)
    return bool((drawn[y - 3 : y + 3, max(0, x - 45) : x - 8] < 30).all(axis=-1).any())


def test_the_cursor_runs(analysed: Analysed) -> None:
    analysis = analysed(Settings(muscles=("soleus",)))
    overlay, image = Overlay(analysis), _frame(analysis)
    columns = [np.median(np.nonzero(_reddish(overlay.draw(image, f)))[1]) for f in (0, 60, 120, 179)]
    steps = np.diff(columns)
    np.testing.assert_allclose(steps / steps.sum(), np.diff([0, 60, 120, 179]) / 179, atol=0.02)


def _reddish(drawn: ImageArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((drawn[..., 0] > 150) & (drawn[..., 1:] < 80).all(axis=-1))


def test_heads_are_hidden_only_if_asked(analysed: Analysed) -> None:
    analysis = analysed(frames=20)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, _frame(analysis).shape, np.uint8)
    y, x = _middle(analysis, 5, "head", "nose")
    around = slice(y - 8, y + 8), slice(x + 6, x + 16)  # beside the neck's link
    plain = Overlay(analysis).draw(image, 5)[around]
    hidden = Overlay(analysis, hidden=[analysis.track]).draw(image, 5)[around]
    assert plain.std() > 60
    assert hidden.std() < 30


def test_long_recordings_turn_pages(analysed: Analysed) -> None:
    analysis = analysed(Settings(muscles=("soleus",)))
    slow = analysis._replace(track=analysis.track._replace(times_s=analysis.track.times_s * 4))  # 24 s
    overlay, image = Overlay(slow), _frame(analysis)
    columns = [np.median(np.nonzero(_reddish(overlay.draw(image, f)))[1]) for f in (37, 112, 150)]  # 4.9, 14.9, 20 s
    assert columns[1] == pytest.approx(columns[0], abs=2)
    assert columns[2] < columns[0]
