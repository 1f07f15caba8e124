import numpy as np
import pytest

from elifpose.datasets.synthetic.camera import look


def test_projection_is_a_pinhole_formula_written_out() -> None:
    height, pitch, focal = 1.5, 0.2, 300.0
    camera = look((320, 240), focal, height, pitch)
    x, y, z = 0.4, 1.1, -3.0
    ahead, up = -z, y - height
    depth = ahead * np.cos(pitch) - up * np.sin(pitch)
    above = ahead * np.sin(pitch) + up * np.cos(pitch)
    expected = (159.5 + focal * x / depth, 119.5 - focal * above / depth)
    point = camera.to_camera(np.array([x, y, z]))
    assert point[2] == pytest.approx(depth)
    np.testing.assert_allclose(camera.project(point), expected)


def test_ray_runs_through_its_pixel() -> None:
    camera = look((256, 256), 280.0, 1.2, 0.15, 0.05)
    point = camera.position + 2.5 * camera.ray((40.0, 200.0))
    np.testing.assert_allclose(camera.project(camera.to_camera(point)), (40.0, 200.0))
    assert camera.to_camera(point)[2] == pytest.approx(2.5)


def test_looking_down_raises_the_horizon() -> None:
    far = np.array([0.0, 1.2, -1e6])
    level, down = (look((256, 256), 280.0, 1.2, pitch) for pitch in (0.0, 0.2))
    assert level.project(level.to_camera(far))[1] == pytest.approx(127.5)
    assert down.project(down.to_camera(far))[1] < 100


def test_rotation_keeps_handedness() -> None:
    rotation = look((64, 64), 50.0, 1.0, 0.3, -0.2).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
