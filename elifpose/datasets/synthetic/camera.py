"""A pinhole camera above the ground.

World frame, metres: x to the right, y up with the ground at y = 0, z towards the viewer. Camera frame, metres:
x to the right, y down, z along the view. Image pixels: pixel centres are integers.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Camera(NamedTuple):
    """Where the camera stands, how it is turned, and what its lens does."""

    focal: float
    """Focal length, pixels, the same along both axes."""
    principal: tuple[float, float]
    """Where the optical axis meets the image, pixels, x then y."""
    rotation: Array
    """``(3, 3)``, world directions to camera directions."""
    position: Array
    """``(3,)``, world frame, metres."""

    def to_camera(self, points: Array) -> Array:
        """Points ``(..., 3)`` from the world's frame to the camera's, metres."""
        return np.asarray((points - self.position) @ self.rotation.T, dtype=np.float64)

    def project(self, points_camera: Array) -> Array:
        """Points ``(..., 3)`` in the camera's frame to ``(..., 2)`` image pixels: f · (x, y) / z + principal."""
        pixels: Array = self.focal * points_camera[..., :2] / points_camera[..., 2:] + np.asarray(self.principal)
        return pixels

    def ray(self, pixel: tuple[float, float]) -> Array:
        """World direction ``(3,)`` of the ray through a pixel, of depth 1 along the view."""
        x, y = ((pixel[axis] - self.principal[axis]) / self.focal for axis in (0, 1))
        return np.asarray(np.array([x, y, 1.0]) @ self.rotation, dtype=np.float64)


def look(image_size: tuple[int, int], focal: float, height: float, pitch: float, roll: float = 0.0) -> Camera:
    """A camera over the world's origin that looks towards −z.

    Args:
        image_size: Width and height, pixels.
        focal: Focal length, pixels.
        height: Of the camera above the ground, metres.
        pitch: Radians, positive looks down.
        roll: Radians about the view, positive turns the picture clockwise.

    Returns:
        The camera; its principal point is the image's middle.
    """
    (cp, sp), (cr, sr) = (np.cos(pitch), np.sin(pitch)), (np.cos(roll), np.sin(roll))
    pitching = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    rolling = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    return Camera(
        focal=focal,
        principal=((image_size[0] - 1) / 2, (image_size[1] - 1) / 2),
        rotation=rolling @ pitching @ np.diag([1.0, -1.0, -1.0]),
        position=np.array([0.0, height, 0.0]),
    )
