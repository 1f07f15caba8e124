"""Heads that must not be recognised."""

import numpy as np
import pytest

from elifpose.biomechanics.points import POINTS
from elifpose.inference.faces import blur_head, head_regions
from elifpose.inference.recording import FloatArray, Track
from elifpose.structures.skeletons import HALPE26

_HEAD = {"nose": (112, 60), "left_eye": (108, 55), "left_ear": (98, 57), "head": (100, 40), "neck": (95, 90)}
_BOX = (70.0, 30.0, 60.0, 300.0)


def _track(*seen: str, frames: int = 1, score: float = 0.9, box: tuple[float, ...] = _BOX) -> Track:
    keypoints = np.full((frames, 26, 3), np.nan)
    keypoints[..., 2] = score
    for name in (*seen, *(("right_heel",) if seen else ())):
        keypoints[:, HALPE26.index(name), :2] = _HEAD.get(name, (100, 320))
    return Track(0, keypoints, np.arange(frames) / 30, np.tile(box, (frames, 1)))


def _covers(region: FloatArray, place: tuple[float, float]) -> bool:
    return bool((((np.array(place) - region[:2]) / region[2:]) ** 2).sum() <= 1)


# of a person 290 pixels high: chin, back of the head, top of it
_EDGES = [(105.0, 76.0), (82.0, 55.0), (100.0, 38.0), (114.0, 60.0)]


@pytest.mark.parametrize(
    "seen", [tuple(_HEAD), ("nose",), ("left_ear",), ("left_eye", "neck"), ("nose", "left_ear"), ("head", "neck")]
)
def test_the_whole_head_is_covered_whatever_is_seen_of_it(seen: tuple[str, ...]) -> None:
    region = head_regions(_track(*seen))[0]
    assert all(_covers(region, edge) for edge in _EDGES)
    assert region[2] < 80


@pytest.mark.parametrize("track", [_track(), _track("neck"), _track(*_HEAD, score=0.1)])
def test_without_a_face_the_top_of_the_box_is_covered(track: Track) -> None:
    region = head_regions(track)[0]
    assert all(_covers(region, (x, y)) for x in (70.0, 130.0) for y in (30.0, 110.0))
    assert not _covers(region, (100.0, 180.0))


def test_all_of_a_lying_persons_box_is_covered() -> None:
    region = head_regions(_track(box=(10.0, 200.0, 300.0, 80.0)))[0]
    assert all(_covers(region, (x, y)) for x in (10.0, 310.0) for y in (200.0, 280.0))


def test_where_nobody_was_found_the_frames_around_tell() -> None:
    track = _track(*_HEAD, frames=6)
    track.keypoints[4:, :, 0] += 80
    track.keypoints[1:4, :, :2] = np.nan
    track.boxes[1:4] = np.nan
    regions = head_regions(track)
    np.testing.assert_allclose(regions[2, :2], (regions[0, :2] + regions[4, :2]) / 2)
    assert (regions[1:4, 2:] > regions[0, 2:]).all()
    assert np.isnan(head_regions(_track(box=(np.nan,) * 4))).all()


def test_pixels_inside_are_lost_and_those_outside_stay() -> None:
    image = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    blurred = image.copy()
    blur_head(blurred, np.array([70.0, 50.0, 30.0, 20.0]))
    rows, columns = np.mgrid[:120, :160]
    inside = ((columns - 70) / 30) ** 2 + ((rows - 50) / 20) ** 2 <= 1
    assert (blurred[~inside] == image[~inside]).all()
    assert blurred[inside].std() < 0.25 * image[inside].std()


@pytest.mark.parametrize("region", [(-90.0, 5.0, 20.0, 20.0), (80.0, 400.0, 9.0, 9.0), (np.nan,) * 4])
def test_what_lies_outside_changes_nothing(region: tuple[float, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    blurred = image.copy()
    blur_head(blurred, np.array(region))
    np.testing.assert_array_equal(blurred, image)


def test_a_head_at_the_pictures_edge_is_hidden_too() -> None:
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    blur_head(image, np.array([0.0, 0.0, 25.0, 25.0]))
    assert image[:10, :10].std() < 40


def test_points_of_the_head_are_halpe26s() -> None:
    assert all(HALPE26.index(name) == POINTS[name] for name in ("nose", "head", "neck"))
