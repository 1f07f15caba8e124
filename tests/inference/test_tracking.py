import numpy as np
import pytest

from elifpose.inference.recording import FloatArray
from elifpose.inference.tracking import Tracker, keypoint_similarity
from elifpose.utils.errors import ElifPoseError

FPS = 30.0
SIZE = np.array([100.0, 300.0])
SHAPES = np.random.default_rng(0).uniform(0.05, 0.95, (2, 26, 2)) * SIZE
"""Two people's postures, from the upper left of their boxes."""


def person(who: int, left: float, top: float = 50.0) -> tuple[FloatArray, FloatArray]:
    """Box and keypoints."""
    corner = np.array([left, top])
    keypoints = np.concatenate((SHAPES[who] + corner, np.full((26, 1), 0.9)), axis=1)
    return np.concatenate((corner, SIZE)), keypoints


def update(tracker: Tracker, frame: int, *people: tuple[FloatArray, FloatArray]) -> list[int]:
    boxes = np.array([box for box, _ in people]).reshape(-1, 4)
    return tracker.update(frame / FPS, boxes, np.array([points for _, points in people]).reshape(-1, 26, 3))


@pytest.mark.parametrize("hidden_below", [0.0, 30.0, 60.0])
@pytest.mark.parametrize("speeds", [(200.0, -200.0), (200.0, -50.0), (300.0, 0.0)])
def test_two_people_who_cross_keep_their_numbers(speeds: tuple[float, float], hidden_below: float) -> None:
    """The one behind is not detected while the middles of both are close, and detections come in any order."""
    tracker, rng = Tracker(), np.random.default_rng(1)
    for frame in range(90):
        lefts = [400.0 + speed * (frame - 45) / FPS for speed in speeds]
        people = [person(who, left + rng.normal(0, 2)) for who, left in enumerate(lefts)]
        if abs(lefts[0] - lefts[1]) < hidden_below:
            assert update(tracker, frame, people[0]) == [0]
        elif frame % 2:
            assert update(tracker, frame, *reversed(people)) == [1, 0]
        else:
            assert update(tracker, frame, *people) == [0, 1]


def test_posture_tells_two_apart_who_meet_and_turn_back() -> None:
    """Where motion misleads: both stand still in one place for a frame, and then leave the way that they came."""
    tracker = Tracker()
    for frame in range(61):
        apart = 20.0 + abs(frame - 30) * 4.0
        assert update(tracker, frame, person(0, 400 - apart), person(1, 400 + apart)) == [0, 1]


@pytest.mark.parametrize(("away_s", "number"), [(0.5, 0), (0.9, 0), (1.2, 1)])
def test_a_person_who_is_hidden_for_long_is_new(away_s: float, number: int) -> None:
    tracker = Tracker(max_lost_s=1.0)
    for frame in range(30):
        update(tracker, frame, person(0, 10.0 * frame))
    back = 29 + round(away_s * FPS)
    for frame in range(30, back):
        assert update(tracker, frame) == []
    assert update(tracker, back, person(0, 10.0 * back)) == [number]


def test_one_who_stops_while_hidden_is_found_again() -> None:
    tracker = Tracker()
    for frame in range(30):
        update(tracker, frame, person(0, 5.0 * frame))
    assert update(tracker, 29 + 24, person(0, 5.0 * 29)) == [0]  # 120 pixels from where he would be: beside his box


def test_half_a_persons_box_is_nobody_even_when_it_is_the_better_match() -> None:
    tracker = Tracker()
    whole, points = person(0, 100.0)
    upper = whole * (1.0, 1.0, 1.0, 0.5)
    assert update(tracker, 0, (upper, points)) == [0]
    assert update(tracker, 1, (upper, points), (whole, points)) == [-1, 0]


def test_one_who_is_known_keeps_his_number_inside_anothers_box() -> None:
    tracker = Tracker()
    large, small = np.array([0.0, 0, 400, 400]), np.array([500.0, 100, 100, 200])
    points = np.stack([person(0, 0.0)[1], person(1, 500.0)[1]])
    for frame in range(60):
        moved = small - (10.0 * frame, 0, 0, 0)
        boxes, keypoints = np.stack((large, moved)), points.copy()
        keypoints[1, :, 0] -= 10.0 * frame
        assert tracker.update(frame / FPS, boxes, keypoints) == [0, 1]


def test_between_detections_boxes_follow_keypoints() -> None:
    tracker = Tracker()
    for frame in range(10):
        update(tracker, frame, person(0, 6.0 * frame), person(1, 500.0))
    update(tracker, 10, person(0, 60.0))
    (box,) = tracker.expected(11 / FPS)
    low, high = SHAPES[0].min(axis=0), SHAPES[0].max(axis=0)
    assert box[:2] + box[2:] / 2 == pytest.approx((low + high) / 2 + (66.0, 50.0))
    assert box[2:] == pytest.approx(1.15 * (high - low))
    assert Tracker().expected(0.0).shape == (0, 4)


def test_keypoint_similarity_is_a_gaussian_of_the_boxs_size() -> None:
    box, points = person(0, 0.0)
    moved = points.copy()
    moved[:13, 0] += 0.1 * np.sqrt(100 * 300)  # by the fall-off
    moved[25] = np.nan
    expected = (13 * np.exp(-0.5) + 12) / 25
    assert keypoint_similarity(points[None], np.stack((points, moved)), box[None])[0] == pytest.approx([1, expected])
    assert keypoint_similarity(points[None], np.full((1, 26, 3), np.nan), box[None]).tolist() == [[0.0]]


def test_an_empty_first_frame_and_wrong_settings() -> None:
    assert update(Tracker(), 0) == []
    with pytest.raises(ElifPoseError, match="max_lost_s is -1"):
        Tracker(-1.0)
