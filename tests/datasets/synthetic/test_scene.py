from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.synthetic.appearance import draw_look, dress
from elifpose.datasets.synthetic.body import KEYPOINT_ROWS, SEGMENT_OFFSETS, SEGMENTS, place
from elifpose.datasets.synthetic.camera import look
from elifpose.datasets.synthetic.canvas import Canvas, Light
from elifpose.datasets.synthetic.scene import Actor, Person, Stage, annotate, draw_stage, render_scene
from elifpose.datasets.synthetic.shapes import THING, Shapes, Surface
from elifpose.structures.skeletons import HALPE26

LIGHT = Light(np.array([0.0, -1.0, 0.0]), 0.6, 0.3, 0.1)
SIZE = (256, 256)


class Take(NamedTuple):
    stage: Stage
    canvas: Canvas
    people: list[Person]


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    """Scenes drawn into their buffers, without painting."""
    return [shoot(draw_stage(np.random.default_rng((11, seed)), SIZE)) for seed in range(150)]


def shoot(stage: Stage) -> Take:
    canvas = Canvas(SIZE, stage.camera, LIGHT)
    canvas.draw(stage.shapes)
    return Take(stage, canvas, annotate(stage, canvas))


def upright_person(yaw: float, occluder: bool = False) -> Take:
    """One person who stands three metres before the camera with the arms hanging."""
    body = place(np.tile(np.eye(3), (len(SEGMENTS), 1, 1)), SEGMENT_OFFSETS, 1.75, (True, True))
    cos, sin = np.cos(yaw), np.sin(yaw)
    turned = body.landmarks @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T + (0.0, 0.0, -3.0)
    person = draw_look(np.random.default_rng(3))._replace(stature=1.75)
    shapes = Shapes()
    dress(shapes, turned, person, 0)
    if occluder:
        shapes.box(np.array([0.0, 0.35, -2.0]), (1.5, 0.7, 0.2), 0.0, Surface(THING, 0, (1.0, 2.0, 3.0)))
    return shoot(Stage(look(SIZE, 330.0, 0.9, 0.0), [Actor(turned, person, yaw, "stand")], shapes))


def flag(take: Take, name: str) -> int:
    return int(take.people[0].visibility[HALPE26.index(name)])


def column(take: Take, name: str) -> float:
    return float(take.people[0].keypoints[HALPE26.index(name), 0])


@pytest.mark.parametrize("size", [(256, 256), (640, 480)])
def test_same_generator_same_picture(size: tuple[int, int]) -> None:
    first, second = (render_scene(np.random.default_rng(5), size) for _ in range(2))
    assert first.image.shape == (size[1], size[0], 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, second.image)
    for ours, theirs in zip(first.people, second.people, strict=True):
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
        np.testing.assert_array_equal(ours.visibility, theirs.visibility)
    other = render_scene(np.random.default_rng(6), size)
    assert not np.array_equal(first.image, other.image)


def test_a_tiny_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        render_scene(np.random.default_rng(0), (16, 64))


def test_facing_the_camera() -> None:
    take = upright_person(0.0)
    assert all(flag(take, name) == 2 for name in HALPE26.keypoints if not name.endswith("heel"))
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "big_toe", "heel"):
        assert column(take, f"left_{part}") > column(take, f"right_{part}")


def test_seen_from_behind() -> None:
    take = upright_person(np.pi)
    assert column(take, "left_shoulder") < column(take, "right_shoulder")
    for name in ("nose", "left_eye", "right_eye"):
        assert flag(take, name) == 1
    for name in ("left_heel", "right_heel", "left_elbow", "right_wrist", "left_knee"):
        assert flag(take, name) == 2


def test_from_the_left_the_right_side_is_hidden_by_the_body() -> None:
    take = upright_person(-np.pi / 2)
    assert column(take, "nose") < column(take, "left_ear")
    for part in ("ear", "shoulder", "elbow", "wrist", "knee"):
        assert flag(take, f"left_{part}") == 2
    for part in ("ear", "shoulder", "hip", "elbow", "wrist", "knee"):
        assert flag(take, f"right_{part}") == 1
    assert flag(take, "left_hip") == 1  # the arm hangs before it


def test_a_thing_before_the_legs_hides_them_and_takes_their_area() -> None:
    free, hidden = upright_person(0.0), upright_person(0.0, occluder=True)
    for part in ("knee", "ankle", "big_toe"):
        assert flag(free, f"left_{part}") == 2
        assert flag(hidden, f"left_{part}") == 1
    assert flag(hidden, "left_shoulder") == 2
    np.testing.assert_array_equal(free.people[0].keypoints, hidden.people[0].keypoints)
    assert hidden.people[0].area < 0.8 * free.people[0].area
    assert hidden.people[0].box[3] < 0.8 * free.people[0].box[3]


def test_keypoints_are_projections_by_the_pinhole_formula(takes: list[Take]) -> None:
    for take in takes[:20]:
        camera = take.stage.camera
        seen = [index for index in range(len(take.stage.actors)) if (take.canvas.owners() == index).any()]
        for index, person in zip(seen, take.people, strict=True):
            for point, keypoint in zip(
                take.stage.actors[index].landmarks[KEYPOINT_ROWS], person.keypoints, strict=True
            ):
                right, down, ahead = (float(axis @ (point - camera.position)) for axis in camera.rotation)
                expected = (127.5 + camera.focal * right / ahead, 127.5 + camera.focal * down / ahead)
                np.testing.assert_allclose(keypoint, expected, atol=1e-9)


def test_boxes_are_tight_and_areas_are_counted(takes: list[Take]) -> None:
    for take in takes[:60]:
        owners = take.canvas.owners()
        masks = [owners == index for index in range(len(take.stage.actors))]
        for mask, person in zip((mask for mask in masks if mask.any()), take.people, strict=True):
            ys, xs = mask.nonzero()
            assert person.area == xs.size
            assert person.box == (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)


def test_visibility_agrees_with_the_buffers(takes: list[Take]) -> None:
    for take in takes[:60]:
        owners = take.canvas.owners()
        seen = [index for index in range(len(take.stage.actors)) if (owners == index).any()]
        for index, person in zip(seen, take.people, strict=True):
            for (x, y), visibility in zip(np.rint(person.keypoints).astype(int), person.visibility, strict=True):
                assert (visibility > 0) == (0 <= x < 256 and 0 <= y < 256)
                if visibility == 2:
                    assert owners[y, x] == index


def test_scenes_are_as_hard_as_stated(takes: list[Take]) -> None:
    """Shares over 150 scenes: people per picture, sizes, keypoints hidden and outside, people cut and covered."""
    people = [person for take in takes for person in take.people]
    flags = np.stack([person.visibility for person in people])
    assert 1.5 < len(people) / len(takes) < 2.0
    assert 0.60 < (flags == 2).mean() < 0.75
    assert 0.20 < (flags == 1).mean() < 0.35
    assert 0.10 < (flags == 0).any(axis=1).mean() < 0.25
    assert np.mean([person.box[3] >= 64 for person in people]) > 0.95
    assert 0.12 < np.mean(covered_shares(takes) > 0.1) < 0.30


def covered_shares(takes: list[Take]) -> npt.NDArray[np.float64]:
    """For each person, which share of the pixels that they would fill alone is covered."""
    shares = []
    for take in takes:
        owners = take.canvas.owners()
        for index, actor in enumerate(take.stage.actors):
            shapes = Shapes()
            dress(shapes, actor.landmarks, actor.look, 0)
            owners_alone = shoot(take.stage._replace(actors=[actor], shapes=shapes)).canvas.owners()
            alone = int(np.count_nonzero(owners_alone == 0))
            shares.append(1.0 - np.count_nonzero(owners == index) / max(alone, 1))
    return np.array(shares)


def test_headings_and_appearances_vary(takes: list[Take]) -> None:
    actors = [actor for take in takes for actor in take.stage.actors]
    quarters = np.floor(np.array([actor.yaw for actor in actors]) / (np.pi / 2))
    assert all(np.mean(quarters == quarter) > 0.15 for quarter in (-2, -1, 0, 1))
    brightness = np.array([sum(actor.look.colors["skin"]) / 3 for actor in actors])
    assert brightness.min() < 80
    assert brightness.max() > 200
    assert np.std([actor.look.stature for actor in actors]) > 0.05
