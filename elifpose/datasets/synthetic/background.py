"""What lies behind the people: a wall or a sky, a floor, clutter, and soft shadows on the ground."""

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.camera import Camera

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, image_size: tuple[int, int], cells: int) -> FloatImage:
    """``(H, W)`` float32 in 0 … 1: random values on a grid of ``cells`` × ``cells``, interpolated."""
    return np.asarray(cv2.resize(rng.random((cells, cells), dtype=np.float32), image_size), dtype=np.float32)


def draw_background(rng: np.random.Generator, image_size: tuple[int, int], camera: Camera) -> Image:
    """Draw walls, floor and clutter.

    Args:
        rng: Source of every choice.
        image_size: Width and height, pixels.
        camera: Its horizon parts wall and floor.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    height = image_size[1]
    border = _border_of_floor(rng, image_size, camera)
    above = (np.arange(height) < border)[:, None]
    shading = np.where(
        above, rng.uniform(0.75, 1.1), np.linspace(rng.uniform(0.75, 1.15), rng.uniform(0.75, 1.15), height)[:, None]
    )
    wall, floor = rng.uniform(50, 225) + rng.normal(0, 22, 3), rng.uniform(50, 200) + rng.normal(0, 18, 3)
    rows = (np.where(above, wall, floor) * shading).astype(np.float32)
    strengths = rng.uniform(0, 22, 3).astype(np.float32)
    noises = (smooth_noise(rng, image_size, cells) - 0.5 for cells in (5, 24, 90))
    unevenness = sum(strength * noise for strength, noise in zip(strengths, noises, strict=True))
    image = np.clip(rows[:, None] + np.asarray(unevenness)[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        _draw_grid(rng, image, border)
    for _ in range(int(rng.integers(2, 15))):
        _draw_clutter(rng, image, border)
    softness = rng.uniform(0.0, 2.2)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), softness), np.uint8) if softness > 0.4 else image


def _border_of_floor(rng: np.random.Generator, image_size: tuple[int, int], camera: Camera) -> float:
    """Row where the floor meets a wall some metres away, pixels."""
    foot_of_wall = np.array([0.0, 0.0, -rng.uniform(4.0, 14.0)])
    return float(np.clip(camera.project(camera.to_camera(foot_of_wall))[1], -5, image_size[1] + 5))


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = np.clip(rng.uniform(10, 240) + rng.normal(0, 30, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def _draw_grid(rng: np.random.Generator, image: Image, border: float) -> None:
    """Tiles, boards or bricks over the wall."""
    height, width = image.shape[:2]
    step_x, step_y = (int(step) for step in rng.integers(14, 70, 2))
    color, thickness = _color(rng), int(rng.integers(1, 3))
    bottom = int(np.clip(border, 0, height))
    if rng.random() < 0.7:
        for x in range(int(rng.integers(step_x)), width, step_x):
            cv2.line(image, (x, 0), (x, bottom), color, thickness)
    for y in range(int(rng.integers(step_y)), bottom, step_y):
        cv2.line(image, (0, y), (width, y), color, thickness)


def _draw_clutter(rng: np.random.Generator, image: Image, border: float) -> None:
    """One object of the background: a frame, a patch, a blob, a pole or something like a limb."""
    height, width = image.shape[:2]
    size = min(width, height)
    kind = int(rng.integers(5))
    x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height if kind != 0 else max(border, 1.0)))
    w, h = (int(extent) for extent in rng.uniform(0.04, 0.35, 2) * size)
    color = _color(rng)
    if kind == 0:
        cv2.rectangle(image, (x, y), (x + w, y + h), color, -1)
        cv2.rectangle(image, (x, y), (x + w, y + h), _color(rng), int(rng.integers(1, 5)))
    elif kind == 1:
        corners = np.array([x, y]) + rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2)) * (w, h)
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), color, cv2.LINE_AA)
    elif kind == 2:
        cv2.ellipse(
            image, (x, y), (w // 2 + 1, h // 2 + 1), float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA
        )
    elif kind == 3:
        cv2.line(image, (x, 0 if rng.random() < 0.5 else y), (x, height), color, int(rng.integers(2, 14)))
    else:
        bend, tip = np.array([x, y]) + rng.uniform(-0.2, 0.2, (2, 2)) * size
        path = np.array([(x, y), bend, tip]).astype(np.int32)
        cv2.polylines(image, [path], False, color, int(rng.integers(3, 15)), cv2.LINE_AA)


def draw_shadows(image: Image, camera: Camera, centers: Array, radii: Array, strength: float) -> Image:
    """Darken the ground below people.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        camera: The camera.
        centers: ``(N, 2)``, x and z on the ground, world frame, metres.
        radii: ``(N,)``, metres.
        strength: 0 for no shadow, 1 for black.

    Returns:
        A new image.
    """
    mask = np.zeros(image.shape[:2], dtype=np.uint8)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    for (x, z), radius in zip(centers, radii, strict=True):
        rim = np.stack((x + radius * np.cos(turn), 0.0 * turn, z + radius * np.sin(turn)), axis=1)
        rim_camera = camera.to_camera(rim)
        if rim_camera[:, 2].min() > 0.3:
            pixels = camera.project(rim_camera).clip(-4000, 4000)
            cv2.fillConvexPoly(mask, np.rint(pixels).astype(np.int32), int(255 * strength))
    mask = np.asarray(cv2.blur(mask, (9, 9)), np.uint8)
    return np.asarray(cv2.multiply(image, cv2.merge([255 - mask] * 3), scale=1 / 255), np.uint8)
