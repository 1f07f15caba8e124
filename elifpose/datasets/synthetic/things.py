"""Furniture and other things that stand among people and hide parts of them."""

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.shapes import THING, Color, Pattern, Shapes, Surface

Array = npt.NDArray[np.float64]


def _surface(rng: np.random.Generator, anchor: Array) -> Surface:
    """A thing's surface: any colour, striped or checked at times."""
    color = _color(rng)
    if rng.random() < 0.7:
        return Surface(THING, 0, color)
    waves = rng.normal(0, 6, (2, 3)) * ((1.0,), (float(rng.random() < 0.5),))
    return Surface(THING, 0, color, Pattern(_color(rng), waves, anchor))


def _up(height: float) -> Array:
    return np.array([0.0, height, 0.0])


def _color(rng: np.random.Generator) -> Color:
    red, green, blue = np.clip(rng.uniform(20, 225) + rng.normal(0, 35, 3), 8, 245).tolist()
    return red, green, blue


def add_seat(rng: np.random.Generator, shapes: Shapes, pelvis: Array, yaw: float, stature: float) -> None:
    """Put a stool, a box, a bench or a chair under a seated person.

    Args:
        rng: Source of every choice.
        shapes: Where to add it.
        pelvis: ``(3,)``, middle of the hips, world frame, metres.
        yaw: Heading of the person, radians about y.
        stature: Of the person, metres.
    """
    top = float(pelvis[1]) - 0.062 * stature
    forward = np.array([np.sin(yaw), 0.0, np.cos(yaw)])
    middle = pelvis * (1.0, 0.0, 1.0) + 0.06 * stature * forward
    surface = _surface(rng, middle)
    width = rng.uniform(0.35, 0.6) if rng.random() < 0.75 else rng.uniform(1.0, 1.8)
    depth = rng.uniform(0.32, 0.42)
    if rng.random() < 0.4:
        shapes.box(middle + _up(top / 2), (width, top, depth), yaw, surface)
        return
    shapes.box(middle + _up(top - 0.02), (width, 0.04, depth), yaw, surface)
    aside = np.array([forward[2], 0.0, -forward[0]])
    for across in (-0.45, 0.45):
        for along in (-0.45, 0.45):
            foot = middle + across * width * aside + along * depth * forward
            shapes.cone(foot, foot + _up(top - 0.03), (0.018, 0.018), surface)
    if rng.random() < 0.5:
        back = middle - 0.5 * depth * forward
        shapes.box(back + _up(top + rng.uniform(0.15, 0.3)), (width, rng.uniform(0.1, 0.3), 0.03), yaw, surface)


def add_thing(rng: np.random.Generator, shapes: Shapes, center: Array, size: float) -> None:
    """Add a box, a board, a pole, a ball, a bag or a plant.

    Args:
        rng: Source of every choice.
        shapes: Where to add it.
        center: ``(3,)``, world frame, metres.
        size: Its rough extent, metres.
    """
    surface, yaw = _surface(rng, center), rng.uniform(-np.pi, np.pi)
    kind = int(rng.integers(5))
    if kind == 0:
        width, height, depth = rng.uniform(0.5, 1.2, 3) * size
        shapes.box(center, (width, height, depth), yaw, surface)
    elif kind == 1:
        shapes.box(center, (rng.uniform(1.5, 3.0) * size, 0.15 * size, 0.3 * size), yaw * 0.2, surface)
    elif kind == 2:
        lean, radius = rng.normal(0, 0.1, 3) * (1, 0, 1), rng.uniform(0.08, 0.2) * size
        shapes.cone(center + lean - _up(3.0), center - lean + _up(3.0), (radius, radius), surface)
    elif kind == 3:
        offset = rng.normal(0, 0.12, 3) * size
        shapes.cone(center - offset, center + offset, (0.42 * size, rng.uniform(0.3, 0.42) * size), surface)
    else:
        _add_plant(rng, shapes, center, size)


def _add_plant(rng: np.random.Generator, shapes: Shapes, center: Array, size: float) -> None:
    """Leaves that fan out from below."""
    root = center - _up(0.5 * size)
    count = int(rng.integers(6, 13))
    tips = root + rng.normal(0, 0.35, (count, 3)) * size + _up(0.9 * size)
    green = np.array([rng.uniform(20, 110), rng.uniform(80, 170), rng.uniform(10, 80)])
    for tip in tips:
        red, greenish, blue = np.clip(green * rng.uniform(0.6, 1.3), 0, 255).tolist()
        shapes.cone(
            root, tip, (0.02 * size, rng.uniform(0.04, 0.09) * size), Surface(THING, 0, (red, greenish, blue))
        )
