"""Draws shapes into a depth buffer, an index buffer and a shading buffer.

Every pixel keeps the shape nearest to the camera, so persons, their own limbs and things hide each other as they
lie in space. A round cone is drawn in closed form under the weak perspective of its own depth: its axis and radii are
projected exactly, its bulge towards the camera orthographically. A slab's depth is exact.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.camera import Camera
from elifpose.datasets.synthetic.shapes import Shapes, Slab, Surface

Array = npt.NDArray[np.float64]
FloatImage = npt.NDArray[np.float32]

_NEAR = 0.15  # metres: what is closer is left out, as it would fill the view
_SMALLEST = 0.3  # pixels of radius: what is thinner cannot be seen


class Light(NamedTuple):
    """A sun and a sky: shade = ambient + diffuse · normal · direction + rim · (normal towards the camera)."""

    direction: Array
    """``(3,)``, camera frame, unit length, towards the light."""
    ambient: float
    diffuse: float
    rim: float


class Canvas:
    """The three buffers of one picture.

    Args:
        image_size: Width and height, pixels.
        camera: The camera that looks at the shapes.
        light: The light that shades them.
    """

    def __init__(self, image_size: tuple[int, int], camera: Camera, light: Light) -> None:
        width, height = image_size
        self.size = image_size
        self.camera = camera
        self.light = light
        self.depth: FloatImage = np.full((height, width), np.inf, dtype=np.float32)
        """``(H, W)`` float32, metres along the view; infinite where nothing is."""
        self.index: npt.NDArray[np.int32] = np.full((height, width), -1, dtype=np.int32)
        """``(H, W)`` int32, row in `surfaces` of the nearest shape; -1 where nothing is."""
        self.shade: FloatImage = np.zeros((height, width), dtype=np.float32)
        """``(H, W)`` float32, brightness of the nearest shape."""
        self.surfaces: list[Surface] = []
        self._columns = np.arange(width, dtype=np.float32)[None, :]
        self._rows = np.arange(height, dtype=np.float32)[:, None]

    def draw(self, shapes: Shapes) -> None:
        """Draw all shapes; their order does not matter, save between equal depths."""
        if shapes.surfaces:
            self._draw_cones(shapes.cone_ends(), shapes.cone_radii(), shapes.surfaces)
        for slab in shapes.slabs:
            self._draw_slab(slab)

    def _draw_cones(self, ends_world: Array, radii_world: Array, surfaces: list[Surface]) -> None:
        """Project all cones at once, then fill one after the other."""
        ends = self.camera.to_camera(ends_world)
        depths = ends[..., 2]
        pixels = self.camera.project(np.where(depths[..., None] > _NEAR, ends, 1.0))
        scales = self.camera.focal / np.maximum(depths, _NEAR)
        radii = radii_world * scales
        visible = (depths.min(axis=1) > _NEAR) & (radii.max(axis=1) > _SMALLEST)
        low = np.floor((pixels - radii[..., None]).min(axis=1)).clip(0)
        high = np.ceil((pixels + radii[..., None]).max(axis=1)).clip(max=np.array(self.size) - 1) + 1
        visible &= (low < high).all(axis=1)
        scale = scales.mean(axis=1)
        bounds = np.where(visible[:, None], np.concatenate((low, high), axis=1), 0).astype(int).tolist()
        rows = np.concatenate((pixels.reshape(-1, 4), depths, radii, scale[:, None]), axis=1).tolist()
        with np.errstate(invalid="ignore"):  # roots of negatives, see `_fill_cone`
            for surface, row, bound, shown in zip(surfaces, rows, bounds, visible.tolist(), strict=True):
                if shown:
                    self._fill_cone(row, bound, self._add(surface))

    def _add(self, surface: Surface) -> int:
        self.surfaces.append(surface)
        return len(self.surfaces) - 1

    def _fill_cone(self, row: list[float], bound: list[int], index: int) -> None:
        """Intersect each pixel's ray with one cone.

        In the plane of the axis and the view, the ray at distance s along the projected axis (h off it) meets the
        surface where the nearest point of the axis is at t = (s − w·D/M) / L, with half-width w = √(r² − h²) of the
        mean radius r and axis length L in the picture, D along the view and M in space, all in pixels; beyond the
        ends t stays at them. The radius at t gives the bulge towards the
        camera, and 1/z, linear along the picture, the depth of the axis.
        """
        u0, v0, u1, v1, z0, z1, r0, r1, scale = row
        left, top, right, bottom = bound
        run, rise, rest = u1 - u0, v1 - v0, (z1 - z0) * scale
        length = max((run * run + rise * rise) ** 0.5, 1e-3)
        middle = (0.5 * (r0 + r1)) ** 2
        ex, ey = (run / length, rise / length) if length > 1e-3 else (1.0, 0.0)
        tilt = rest / (length * length + rest * rest) ** 0.5
        dx, dy = self._columns[:, left:right] - u0, self._rows[top:bottom] - v0
        s, h = dx * ex + dy * ey, dy * ex - dx * ey
        h2 = h * h
        half = np.sqrt(np.maximum(middle - h2, 0.0))
        t = np.minimum(np.maximum((s - half * tilt) * (1 / length), 0.0), 1.0)
        radius = t * (r1 - r0) + r0
        s -= t * length
        bulge = np.sqrt(radius * radius - h2 - s * s)  # NaN off the cone, which no comparison lets through
        depth = 1.0 / (t * (1 / z1 - 1 / z0) + 1 / z0) - bulge * (1 / scale)
        nearest = self.depth[top:bottom, left:right]
        inside = depth < nearest
        light = self.light
        lx, ly, lz = (light.diffuse * light.direction).tolist()
        shade = (s * (lx * ex + ly * ey) + h * (ly * ex - lx * ey) + bulge * (light.rim - lz)) / radius
        np.copyto(nearest, depth, where=inside)
        np.copyto(self.index[top:bottom, left:right], index, where=inside)
        np.copyto(self.shade[top:bottom, left:right], shade + light.ambient, where=inside)

    def _draw_slab(self, slab: Slab) -> None:
        """Fill a polygon with the depth of its plane, 1/z being linear in the picture."""
        corners = self.camera.to_camera(slab.corners)
        normal = _cross(corners[1] - corners[0], corners[2] - corners[0])
        size = float(np.linalg.norm(normal))
        if size < 1e-9:
            return
        normal *= (-1.0 if normal @ corners[0] > 0 else 1.0) / size
        corners = corners + normal * slab.thickness
        if corners[:, 2].min() < _NEAR:
            return
        pixels = self.camera.project(corners)
        low = np.floor(pixels.min(axis=0)).clip(0).astype(int)
        high = np.ceil(pixels.max(axis=0)).clip(max=np.array(self.size) - 1).astype(int) + 1
        if (low >= high).any():
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
        fixed_point = np.rint((pixels - low) * 16).clip(-(2**20), 2**20).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed_point, 1, lineType=cv2.LINE_8, shift=4)
        (cx, cy), focal = self.camera.principal, self.camera.focal
        across = (self._columns[:, low[0] : high[0]] - cx) * float(normal[0] / focal)
        down = (self._rows[low[1] : high[1]] - cy) * float(normal[1] / focal)
        slope = across + down + float(normal[2])
        depth = float(normal @ corners[0]) / np.minimum(slope, -1e-6)
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        inside = (mask > 0) & (depth < self.depth[window])
        light = self.light
        shade = light.ambient + light.diffuse * float(normal @ light.direction) - light.rim * float(normal[2])
        np.copyto(self.depth[window], depth, where=inside)
        np.copyto(self.index[window], self._add(slab.surface), where=inside)
        np.copyto(self.shade[window], shade, where=inside)

    def owners(self) -> npt.NDArray[np.int32]:
        """``(H, W)`` int32: index of the person seen at each pixel, `shapes.THING` for things, -2 for nothing."""
        return np.array([surface.owner for surface in self.surfaces] + [-2], dtype=np.int32)[self.index]

    def groups(self) -> npt.NDArray[np.int32]:
        """``(H, W)`` int32: group of body parts seen at each pixel, 0 for things and for nothing."""
        return np.array([surface.group for surface in self.surfaces] + [0], dtype=np.int32)[self.index]

    def paint(self, background: npt.NDArray[np.uint8], texture: FloatImage) -> npt.NDArray[np.uint8]:
        """The picture: shapes in their colours over a background.

        Args:
            background: ``(H, W, 3)`` uint8 RGB.
            texture: ``(H, W)`` float32, factor on the brightness of shapes.

        Returns:
            ``(H, W, 3)`` uint8 RGB.
        """
        covered = np.flatnonzero(self.index >= 0)
        picture = background.reshape(-1, 3).copy()
        colors = np.array([surface.color for surface in self.surfaces] + [(0, 0, 0)], dtype=np.float32)
        rows = self.index.ravel()[covered]
        painted = colors[rows]
        self._paint_patterns(painted, rows, covered)
        painted *= (self.shade.ravel()[covered] * texture.ravel()[covered])[:, None]
        picture[covered] = np.clip(painted, 0, 255).astype(np.uint8)
        return picture.reshape(background.shape)

    def _paint_patterns(
        self, painted: FloatImage, rows: npt.NDArray[np.int32], covered: npt.NDArray[np.intp]
    ) -> None:
        """Put the second colours where a surface has a pattern; points are found back from the depth."""
        patterns = [surface.pattern for surface in self.surfaces]
        patterned = np.array([pattern is not None for pattern in patterns] + [False])
        chosen = np.flatnonzero(patterned[rows])
        if chosen.size == 0:
            return
        width = self.size[0]
        z = self.depth.ravel()[covered[chosen]]
        x = (covered[chosen] % width - self.camera.principal[0]) / self.camera.focal * z
        y = (covered[chosen] // width - self.camera.principal[1]) / self.camera.focal * z
        points = np.stack((x, y, z), axis=1) @ self.camera.rotation + self.camera.position
        for row in np.unique(rows[chosen]).tolist():
            pattern = patterns[row]
            assert pattern is not None  # noqa: S101 - chosen holds patterned rows only
            own = rows[chosen] == row
            waves = np.sin(2 * np.pi * (points[own] - pattern.origin) @ pattern.waves.T)
            positive = waves[:, 0] * np.where(pattern.waves[1].any(), waves[:, 1], 1.0) > 0
            painted[chosen[own][positive]] = pattern.color


def _cross(a: Array, b: Array) -> Array:
    """Cross product of two vectors ``(3,)``; NumPy's own takes ten times as long on single ones."""
    (a0, a1, a2), (b0, b1, b2) = a.tolist(), b.tolist()
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])
