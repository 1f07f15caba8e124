from typing import Any

import cv2
import numpy as np
import pytest

from elifpose.datasets.corruption import (
    CORRUPTIONS,
    Corruption,
    compress,
    darken,
    occlude,
    scale_box,
    shift_box,
)
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine
from elifpose.utils.image import ImageArray

BOX = np.array([20.0, 10.0, 30.0, 60.0])
SIZE = (48, 64)


def picture() -> ImageArray:
    """Random colours, smooth enough for JPEG to be used on."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.uint8)


def crop(corruption: Corruption, seed: int = 0) -> ImageArray:
    return corruption.crop(picture(), BOX, SIZE, 1.25, np.random.default_rng(seed))[0]


def matrix(corruption: Corruption, seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    return corruption.crop(picture(), BOX, size, 1.25, np.random.default_rng(seed))[1]


UNDISTURBED = matrix(Corruption("blur", 1.0))
"""Blur moves nothing."""


def test_the_undisturbed_map_is_the_padded_box() -> None:
    # 30 x 60 padded to 37.5 x 75 and widened to 3:4: 56.25 image pixels on 48.
    corners = apply_affine(UNDISTURBED, np.array([[35.0, 40.0], [35 - 56.25 / 2, 40 - 75 / 2]]))
    np.testing.assert_allclose(corners, [[24, 32], [0, 0]], atol=1e-9)


def test_shifts_fill_their_range_along_both_axes() -> None:
    boxes = np.stack([shift_box(BOX, 0.2, np.random.default_rng(seed)) for seed in range(2000)])
    np.testing.assert_array_equal(boxes[:, 2:], np.tile(BOX[2:], (2000, 1)))
    shares = (boxes[:, :2] - BOX[:2]) / BOX[2:]
    assert np.abs(shares).max() <= 0.2
    for of_axis in shares.T:
        np.testing.assert_allclose(np.quantile(of_axis, (0.05, 0.5, 0.95)), (-0.18, 0, 0.18), atol=0.02)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.1


def test_a_shifted_box_moves_the_crop() -> None:
    zoom = 48 / 56.25
    for seed in range(5):
        moved = matrix(Corruption("shift", 0.2), seed)
        by = shift_box(BOX, 0.2, np.random.default_rng(seed))[:2] - BOX[:2]
        np.testing.assert_allclose(moved[:, :2], UNDISTURBED[:, :2])
        np.testing.assert_allclose(UNDISTURBED[:, 2] - moved[:, 2], by * zoom)


def test_a_scaled_box_keeps_its_centre() -> None:
    np.testing.assert_allclose(scale_box(BOX, 0.5), [27.5, 25, 15, 30])
    for factor in (0.8, 1.25):
        scaled = matrix(Corruption("scale", factor))
        np.testing.assert_allclose(scaled[:, :2], UNDISTURBED[:, :2] / factor)
        np.testing.assert_allclose(apply_affine(scaled, np.array([[35.0, 40.0]])), [[24, 32]])


def test_the_camera_turns_either_way_about_the_boxs_centre() -> None:
    angles = []
    for seed in range(40):
        turned = matrix(Corruption("rotation", 30.0), seed)
        np.testing.assert_allclose(apply_affine(turned, np.array([[35.0, 40.0]])), [[24, 32]])
        turn = turned[:, :2] @ np.linalg.inv(UNDISTURBED[:, :2])
        assert np.linalg.det(turn) == pytest.approx(1.0)
        angles.append(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])))
    np.testing.assert_allclose(np.abs(angles), 30.0)
    assert 8 < np.count_nonzero(np.array(angles) > 0) < 32


def test_levels_of_a_kind_draw_the_same_direction() -> None:
    for seed in range(5):
        small, large = (matrix(Corruption("shift", level), seed) - UNDISTURBED for level in (0.1, 0.3))
        np.testing.assert_allclose(3 * small, large)


def test_blur_has_the_stated_width_in_input_pixels() -> None:
    image = np.zeros((90, 80, 3), np.uint8)
    image[:, 35:] = 200  # an edge at the box's centre: blurred, its slope is the Gaussian
    for sigma in (1.0, 2.0, 4.0):
        blurred, _ = Corruption("blur", sigma).crop(image, BOX, SIZE, 1.25, np.random.default_rng(0))
        slope = np.diff(blurred[32, :, 0].astype(float)).clip(0)
        at = np.arange(len(slope))
        mean = (slope * at).sum() / slope.sum()
        width = np.sqrt((slope * (at - mean) ** 2).sum() / slope.sum())
        # The edge itself is a slope over at most two pixels, by the warp.
        assert sigma - 0.15 < width < np.hypot(sigma, 0.5) + 0.1


def test_blur_grows_with_its_level() -> None:
    steepness = [np.abs(np.diff(crop(Corruption("blur", sigma)).astype(float), axis=1)).mean() for sigma in (1, 2, 4)]
    assert steepness[0] > 1.5 * steepness[1] > 2 * steepness[2]


def test_jpeg_is_what_opencv_writes_and_reads() -> None:
    plain = crop(Corruption("blur", 0.01))
    for quality in (10, 50):
        _, encoded = cv2.imencode(".jpg", plain[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        np.testing.assert_array_equal(crop(Corruption("jpeg", quality)), decoded[..., ::-1])


def test_jpeg_loses_more_at_a_lower_quality_and_keeps_colours() -> None:
    plain = crop(Corruption("blur", 0.01)).astype(float)
    errors = [np.abs(compress(plain.astype(np.uint8), quality) - plain).mean() for quality in (90, 30, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]
    red = np.full((64, 48, 3), (200, 30, 10), np.uint8)
    np.testing.assert_allclose(compress(red, 30), red, atol=8)


@pytest.mark.parametrize("light", [1.0, 0.25, 0.05])
def test_darkness_takes_light_and_adds_its_shot_noise(light: float) -> None:
    flat = np.full((200, 300, 3), 128, np.uint8)
    dark = darken(flat, light, np.random.default_rng(0))
    # In linear light, photons have equal mean and variance; white is 1000 of them.
    photons = 1000 * (dark / 255.0) ** 2.2
    expected = light * 1000 * (128 / 255) ** 2.2
    assert photons.mean() == pytest.approx(expected, rel=0.01)
    assert photons.var() == pytest.approx(expected, rel=0.05)
    assert not (dark[..., 0] == dark[..., 1]).all()


def test_darkness_leaves_black_and_cuts_at_white() -> None:
    black, white = (
        darken(np.full((50, 50, 3), value, np.uint8), 1.0, np.random.default_rng(0)) for value in (0, 255)
    )
    assert not black.any()
    assert white.max() == 255
    assert white.min() > 230  # 5 standard deviations: 16 % fewer photons


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_occlusion_hides_its_share_anywhere(share: float) -> None:
    image = np.full((256, 192, 3), 7, np.uint8)
    places = []
    for seed in range(60):
        hidden = occlude(image, share, np.random.default_rng(seed))
        at = np.argwhere(hidden[..., 0] != 7)
        assert len(at) == pytest.approx(share * 256 * 192, rel=0.01)
        (top, left), (bottom, right) = at.min(axis=0), at.max(axis=0)
        assert (hidden[top : bottom + 1, left : right + 1] == 128).all()
        assert len(at) == (bottom + 1 - top) * (right + 1 - left)
        places.append((top / max(255 - (bottom - top), 1), left / max(191 - (right - left), 1)))
    assert (image == 7).all()
    if share < 1:
        assert (np.ptp(places, axis=0) > 0.85).all()


def test_the_same_seed_disturbs_alike() -> None:
    for corruption in CORRUPTIONS:
        np.testing.assert_array_equal(crop(corruption, 3), crop(corruption, 3))
        assert crop(corruption).shape == (64, 48, 3)
        assert crop(corruption).dtype == np.uint8


def test_each_of_those_measured_does_something_else() -> None:
    undisturbed = Corruption("blur", 0.01)
    crops = {crop(corruption).tobytes() for corruption in (undisturbed, *CORRUPTIONS)}
    assert len(crops) == len(CORRUPTIONS) + 1
    labels = {str(corruption) for corruption in CORRUPTIONS}
    assert len(labels) == len(CORRUPTIONS)
    assert {"box shifted by up to 10%", "camera turned by 45°", "JPEG quality 30", "5% of the light"} <= labels


@pytest.mark.parametrize(
    ("kind", "level", "message"),
    [
        ("fog", 1.0, r"no corruption 'fog'; there are shift, scale"),
        ("blur", 0.0, r"level of corruption 'blur' is 0\.0; it must be above 0, up to 100"),
        ("shift", 1.5, "up to 1"),
        ("rotation", 181.0, "up to 180"),
        ("jpeg", 101.0, "up to 100"),
        ("darkness", float("nan"), "is nan"),
        ("occlusion", -0.1, "above 0"),
    ],
)
def test_what_cannot_be_is_refused(kind: Any, level: float, message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        Corruption(kind, level)
