"""One picture: a camera, people in poses on the ground, things among them, and what is seen of each keypoint."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.appearance import Look, draw_look, dress
from elifpose.datasets.synthetic.background import draw_background, draw_shadows, smooth_noise
from elifpose.datasets.synthetic.body import KEYPOINT_ROWS, LANDMARKS, draw_proportions, place
from elifpose.datasets.synthetic.camera import Camera, look
from elifpose.datasets.synthetic.canvas import Canvas, Light
from elifpose.datasets.synthetic.poses import draw_pose
from elifpose.datasets.synthetic.shapes import Shapes
from elifpose.datasets.synthetic.things import add_seat, add_thing
from elifpose.datasets.synthetic.visibility import keypoint_visibility

Array = npt.NDArray[np.float64]

_TRUNCATED_SHARE = 0.17
_OCCLUDER_SHARE = 0.22
_FRONT_MARGIN = 1.2  # metres: nobody stands closer to the camera
_TRIES = 25


class Person(NamedTuple):
    """What is annotated of one person."""

    keypoints: Array
    """``(26, 2)`` float64, image pixels, Halpe26's order; exact projections, also outside the image."""
    visibility: npt.NDArray[np.uint8]
    """``(26,)``: 2 seen, 1 hidden by the body, another person or a thing, 0 outside the image."""
    box: tuple[float, float, float, float]
    """Tight box of the visible pixels, left, top, width, height; zeros if none is visible."""
    area: float
    """Number of visible pixels."""


class Scene(NamedTuple):
    """A picture and who is in it."""

    image: npt.NDArray[np.uint8]
    """``(H, W, 3)``, RGB."""
    people: list[Person]
    """Everyone of whom at least one pixel is seen, the nearest first."""


class Actor(NamedTuple):
    """A person in the scene, before drawing."""

    landmarks: Array
    """``(P, 3)``, world frame, metres."""
    look: Look
    yaw: float
    """Heading, radians about y; 0 faces the viewer."""
    activity: str


class Stage(NamedTuple):
    """Everything that a picture is drawn from."""

    camera: Camera
    actors: list[Actor]
    shapes: Shapes


def render_scene(rng: np.random.Generator, image_size: tuple[int, int] = (256, 256)) -> Scene:
    """Draw a random scene of one to three people.

    Args:
        rng: Source of every choice: the same state gives the same picture.
        image_size: Width and height, pixels.

    Returns:
        The picture and its annotation.

    Raises:
        ValueError: If the image is smaller than 32 pixels along a side.
    """
    if min(image_size) < 32:
        raise ValueError(f"image_size must be at least 32 pixels each way, not {image_size}")
    return render_stage(rng, image_size, draw_stage(rng, image_size))


def render_stage(rng: np.random.Generator, image_size: tuple[int, int], stage: Stage) -> Scene:
    """Paint a stage; light, surroundings, lens and grain are drawn from ``rng``, the same from the same state."""
    canvas = Canvas(image_size, stage.camera, _draw_light(rng))
    canvas.draw(stage.shapes)
    image = _develop(rng, canvas, _draw_ground(rng, image_size, stage))
    return Scene(image, annotate(stage, canvas))


def draw_stage(rng: np.random.Generator, image_size: tuple[int, int]) -> Stage:
    """Draw camera, people and things, without painting them."""
    camera, distance = _draw_camera(rng, image_size)
    actors: list[Actor] = []
    for _ in range(int(rng.choice((1, 2, 3), p=(0.45, 0.35, 0.20)))):
        actors.append(_draw_actor(rng, image_size, camera, distance, actors))
    actors.sort(key=lambda actor: -float(actor.landmarks[LANDMARKS["hip"], 2]))
    shapes = Shapes()
    for index, actor in enumerate(actors):
        dress(shapes, actor.landmarks, actor.look, index)
        hip = actor.landmarks[LANDMARKS["hip"]]
        if actor.activity == "sit":
            add_seat(rng, shapes, hip, actor.yaw, actor.look.stature)
        if rng.random() < _OCCLUDER_SHARE:
            _add_occluder(rng, shapes, camera, actor)
    for _ in range(int(rng.integers(0, 3))):
        spot = camera.position + camera.ray((rng.uniform(0, image_size[0]), 0.0)) * distance * rng.uniform(1.6, 2.5)
        add_thing(rng, shapes, spot * (1, 0, 1) + (0.0, rng.uniform(0.2, 1.0), 0.0), rng.uniform(0.4, 1.0))
    return Stage(camera, actors, shapes)


def annotate(stage: Stage, canvas: Canvas) -> list[Person]:
    """What is seen of each person in the drawn buffers."""
    owners, groups = canvas.owners(), canvas.groups()
    people = []
    for index, actor in enumerate(stage.actors):
        mine = owners == index
        columns, rows = np.flatnonzero(mine.any(axis=0)), np.flatnonzero(mine.any(axis=1))
        if columns.size == 0:
            continue
        left, top = float(columns[0]), float(rows[0])
        box = (left, top, float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top)
        points_camera = stage.camera.to_camera(actor.landmarks[KEYPOINT_ROWS])
        keypoints = stage.camera.project(points_camera)
        visibility = keypoint_visibility(
            keypoints, points_camera[:, 2], canvas.depth, np.where(mine, groups, 0), actor.look.stature
        )
        people.append(Person(keypoints, visibility, box, float(np.count_nonzero(mine))))
    return people


def _draw_camera(rng: np.random.Generator, image_size: tuple[int, int]) -> tuple[Camera, float]:
    """A camera that looks at people, and how far from it they stand, metres."""
    size = min(image_size)
    focal = 0.5 * size / np.tan(np.deg2rad(rng.uniform(28, 58)) / 2)
    distance = max(1.72 * focal / (rng.uniform(0.5, 0.95) * size), _FRONT_MARGIN + 0.6)
    height = rng.uniform(0.4, 2.3)
    pitch = np.arctan2(height - 0.88, distance) + rng.normal(0.0, 0.03)
    return look(image_size, float(focal), float(height), float(pitch), float(rng.normal(0.0, 0.04))), float(distance)


def _draw_actor(
    rng: np.random.Generator, image_size: tuple[int, int], camera: Camera, distance: float, others: list[Actor]
) -> Actor:
    """A person who is wholly in the view or, in a share of cases, cut by its border, and stands in nobody's way."""
    pose, appearance = draw_pose(rng), draw_look(rng)
    body = place(pose.rotations, draw_proportions(rng), appearance.stature, pose.flat_feet)
    truncated = bool(rng.random() < _TRUNCATED_SHARE)
    near = (0.55, 1.1) if truncated else (0.95, 1.6 if others else 1.1)
    yaw = rng.uniform(-np.pi, np.pi)
    landmarks = body.landmarks
    for attempt in range(_TRIES):
        depth = max(distance * rng.uniform(*near) * (1 + 0.02 * attempt), _FRONT_MARGIN)
        column = rng.uniform(-0.05, 1.05) if truncated else rng.uniform(0.15, 0.85)
        spot = camera.ray((column * image_size[0], camera.principal[1])) * depth
        landmarks = body.landmarks @ heading(yaw).T + (spot[0], 0.0, spot[2])
        inside = _share_inside(camera, landmarks, image_size)
        crowded = any(
            np.hypot(*(landmarks - other.landmarks)[LANDMARKS["hip"], ::2]) < 0.75
            or _overlap(camera, landmarks, other.landmarks) > 0.55
            for other in others
        )
        if not crowded and (0.35 < inside < 0.93 if truncated else inside == 1.0):
            break
    return Actor(landmarks, appearance, yaw, pose.activity)


def heading(yaw: float) -> Array:
    """Rotation ``(3, 3)`` of a body's frame into the world's; ``yaw`` as in `Actor`."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def _share_inside(camera: Camera, landmarks: Array, image_size: tuple[int, int]) -> float:
    """How much of a person's keypoints lies inside the picture, 0 to 1."""
    points = camera.to_camera(landmarks[KEYPOINT_ROWS])
    if points[:, 2].min() < 0.3:
        return 0.0
    pixels = camera.project(points)
    return float(((pixels > 1.0) & (pixels < np.array(image_size) - 2.0)).all(axis=1).mean())


def _overlap(camera: Camera, first: Array, second: Array) -> float:
    """Shared part of two people's columns in the picture, as a share of the narrower's."""
    ranges = [camera.project(camera.to_camera(points[KEYPOINT_ROWS]))[:, 0] for points in (first, second)]
    (low_a, high_a), (low_b, high_b) = ((xs.min(), xs.max()) for xs in ranges)
    return float((min(high_a, high_b) - max(low_a, low_b)) / max(min(high_a - low_a, high_b - low_b), 1.0))


def _add_occluder(rng: np.random.Generator, shapes: Shapes, camera: Camera, actor: Actor) -> None:
    """Something between the camera and a person, before one of their keypoints."""
    target = actor.landmarks[KEYPOINT_ROWS[int(rng.integers(len(KEYPOINT_ROWS)))]]
    nearness = rng.uniform(0.6, 0.85)
    spot = camera.position + nearness * (target - camera.position)
    add_thing(rng, shapes, spot, rng.uniform(0.3, 0.65) * nearness)


def _draw_light(rng: np.random.Generator) -> Light:
    direction = np.array([rng.normal(0, 0.7), -rng.uniform(0.3, 1.2), -rng.uniform(0.1, 1.0)])
    diffuse = float(rng.uniform(0.15, 0.42))
    return Light(
        direction / np.linalg.norm(direction), float(rng.uniform(0.5, 0.72)), diffuse, float(rng.uniform(0.05, 0.2))
    )


def _draw_ground(rng: np.random.Generator, image_size: tuple[int, int], stage: Stage) -> npt.NDArray[np.uint8]:
    background = draw_background(rng, image_size, stage.camera)
    rows = [LANDMARKS[name] for name in ("left_ankle", "right_ankle", "hip")]
    centers = np.concatenate([actor.landmarks[rows][:, ::2] for actor in stage.actors])
    radii = np.tile((0.16, 0.16, 0.28), len(stage.actors))
    return draw_shadows(background, stage.camera, centers, radii, float(rng.uniform(0.1, 0.6)))


def _develop(rng: np.random.Generator, canvas: Canvas, background: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The camera's share: cloth and skin get uneven, the lens blurs, the sensor tints and adds noise."""
    texture = 0.92 + 0.16 * smooth_noise(rng, canvas.size, 48)
    picture = canvas.paint(background, texture)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.45, 1.0)), np.uint8)
    gain = np.exp(rng.normal(0, 0.05, 3) + rng.normal(0, 0.12)).astype(np.float32)
    grain = rng.integers(0, 256, picture.shape, dtype=np.uint8)
    strength = np.float32(rng.uniform(0.0, 0.08))
    return np.clip(picture * gain + grain * strength - 127.5 * strength, 0, 255).astype(np.uint8)
