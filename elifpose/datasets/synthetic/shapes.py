"""What scenes are made of: round cones and flat slabs, each with a surface, in the world's frame, metres."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Color = tuple[float, float, float]

THING = -1
"""Owner of what belongs to nobody."""


class Pattern(NamedTuple):
    """A second colour where the product of sines along two directions is positive: stripes or checks."""

    color: Color
    """RGB, 0 to 255."""
    waves: Array
    """``(2, 3)``, world frame, cycles per metre along each direction; a zero row gives stripes."""
    origin: Array
    """``(3,)``, world frame, metres, where both sines start."""


class Surface(NamedTuple):
    """Whose it is and how it looks."""

    owner: int
    """Index of the person, or `THING`."""
    group: int
    """Which part of the body, a row of `appearance.GROUPS`; 0 for things."""
    color: Color
    """RGB, 0 to 255."""
    pattern: Pattern | None = None


class Slab(NamedTuple):
    """A flat, convex polygon; the side that faces the camera is drawn, raised by its thickness."""

    corners: Array
    """``(C, 3)``, in order around."""
    thickness: float
    surface: Surface


class Shapes:
    """Round cones and slabs, filled by many and drawn once.

    A round cone is a sphere that moves from start to end while its radius changes: a limb, a head, a ball.
    """

    def __init__(self) -> None:
        self._ends: list[Array] = []
        self._radii: list[Array] = []
        self.surfaces: list[Surface] = []
        """Of the cones, in order."""
        self.slabs: list[Slab] = []

    def cones(self, ends: Array, radii: Array, surfaces: list[Surface]) -> None:
        """Add round cones by their ends ``(N, 2, 3)``, radii ``(N, 2)`` and ``N`` surfaces."""
        self._ends.append(ends)
        self._radii.append(radii)
        self.surfaces += surfaces

    def cone(self, start: Array, end: Array, radii: tuple[float, float], surface: Surface) -> None:
        """Add one round cone."""
        self.cones(np.stack((start, end))[None], np.array([radii]), [surface])

    def cone_ends(self) -> Array:
        """Of all cones, ``(N, 2, 3)``."""
        return np.concatenate((np.empty((0, 2, 3)), *self._ends))

    def cone_radii(self) -> Array:
        """Of all cones, ``(N, 2)``."""
        return np.concatenate((np.empty((0, 2)), *self._radii))

    def slab(self, corners: Array, thickness: float, surface: Surface) -> None:
        """Add a slab."""
        self.slabs.append(Slab(corners, thickness, surface))

    def box(self, center: Array, size: tuple[float, float, float], yaw: float, surface: Surface) -> None:
        """Add a box with upright edges: ``size`` along its own x, y and z, turned by ``yaw`` radians about y."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        axes = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]]) * np.asarray(size)[:, None] / 2
        for axis in range(3):
            across, along = axes[(axis + 1) % 3], axes[(axis + 2) % 3]
            for face in (center + axes[axis], center - axes[axis]):
                corners = np.stack(
                    (face - across - along, face + across - along, face + across + along, face - across + along)
                )
                self.slabs.append(Slab(corners, 0.0, surface))
