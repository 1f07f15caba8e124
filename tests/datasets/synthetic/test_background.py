import numpy as np

from elifpose.datasets.synthetic.background import draw_background, draw_shadows, smooth_noise
from elifpose.datasets.synthetic.camera import look

CAMERA = look((120, 90), 100.0, 1.5, 0.1)


def test_backgrounds_are_pictures_and_differ() -> None:
    pictures = [draw_background(np.random.default_rng(seed), (120, 90), CAMERA) for seed in range(4)]
    assert all(picture.shape == (90, 120, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert all(picture.std() > 3 for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])


def test_backgrounds_follow_from_the_generator() -> None:
    first, second = (draw_background(np.random.default_rng(9), (120, 90), CAMERA) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_smooth_noise_is_smooth_and_within_bounds() -> None:
    noise = smooth_noise(np.random.default_rng(0), (120, 90), 5)
    assert noise.shape == (90, 120)
    assert 0 <= noise.min() < 0.3 < 0.7 < noise.max() <= 1
    assert np.abs(np.diff(noise, axis=1)).max() < 0.1


def test_a_shadow_darkens_the_ground_below_a_person_only() -> None:
    white = np.full((90, 120, 3), 255, dtype=np.uint8)
    shadowed = draw_shadows(white, CAMERA, np.array([[0.5, -4.0]]), np.array([0.4]), 0.5)
    x, y = CAMERA.project(CAMERA.to_camera(np.array([0.5, 0.0, -4.0]))).round().astype(int)
    assert 100 < shadowed[y, x, 0] < 150
    assert (shadowed[:30] == 255).all()
    assert (shadowed[:, :20] == 255).all()


def test_a_shadow_behind_the_camera_is_left_out() -> None:
    white = np.full((90, 120, 3), 255, dtype=np.uint8)
    assert (draw_shadows(white, CAMERA, np.array([[0.0, 2.0]]), np.array([0.4]), 0.5) == 255).all()
