"""What is kept of an image, against maps and corners worked out another way."""

import numpy as np
import pytest

from elifpose.datasets.crops.window import Window, find_windows
from elifpose.datasets.transforms import GeometricTransform, warp
from elifpose.structures import get_skeleton
from elifpose.utils.geometry import FloatArray, apply_affine, image_to_input_matrix, invert_affine

SIZE = (96, 128)
INSIDE = Window(100, 200, 300, 320, 150, 160, 800, 900)  # scaled down by 2, no edge at the image's


def find(box: list[float], image_size: tuple[int, int] = (1000, 1000)) -> Window:
    rows = find_windows(np.array([box]), np.array([image_size], np.int32), SIZE, padding=1.25)
    return Window(*rows[0].tolist())


def test_the_part_is_a_square_twice_as_high_as_the_padded_box() -> None:
    window = find([480.0, 460.0, 40.0, 80.0])  # padded: 75 x 100 about (500, 500)
    assert window == Window(400, 400, 201, 201, 201, 201, 1000, 1000)


def test_it_is_cut_to_the_image_and_never_enlarged() -> None:
    # Padded and at the input's aspect ratio, 10 x 13.3 about (4, 4): the square reaches to 17.3.
    assert find([0.0, 0.0, 8.0, 8.0], (40, 30)) == Window(0, 0, 19, 19, 19, 19, 40, 30)
    assert find([0.0, 0.0, 8.0, 8.0], (15, 12)) == Window(0, 0, 15, 12, 15, 12, 15, 12)


def test_a_large_person_is_kept_at_the_network_s_resolution() -> None:
    window = find([300.0, 340.0, 100.0, 320.0])  # padded: 300 x 400, the input 96 x 128
    assert (window.left, window.width, window.kept_width) == (0, 751, round(751 * 128 / 400))


def test_a_wide_box_counts_by_its_width() -> None:
    assert find([450.0, 490.0, 96.0, 20.0]).height == 2 * 160 + 1  # 96 · 1.25 / (96 / 128)


def test_the_centre_of_each_kept_pixel_is_mapped_as_in_the_image() -> None:
    """A picture whose colour says where: what the smaller one shows at a pixel lies at that place."""
    y, x = np.mgrid[0:900, 0:800]
    places = np.stack((x, y, np.zeros_like(x)), axis=-1).astype(np.float64)
    part = places[INSIDE.top : INSIDE.top + INSIDE.height, INSIDE.left : INSIDE.left + INSIDE.width]
    means = part.reshape(160, 2, 150, 2, 3).mean(axis=(1, 3))[..., :2]  # by areas of 2 x 2
    to_input = image_to_input_matrix(np.array([240.0, 350.0]), np.array([150.0, 200.0]), SIZE, 25.0, flip=True)
    kept = np.stack(np.meshgrid(np.arange(150.0), np.arange(160.0)), axis=-1)
    np.testing.assert_allclose(
        apply_affine(INSIDE.kept_to_input(to_input), kept.reshape(-1, 2)),
        apply_affine(to_input, means.reshape(-1, 2)),
        atol=1e-9,
    )


def test_cut_averages_the_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (900, 800, 3), dtype=np.uint8)
    part = image[200:520, 100:400].astype(np.float64)
    expected = part.reshape(160, 2, 150, 2, 3).mean(axis=(1, 3))
    assert np.abs(INSIDE.cut(image) - expected).max() <= 0.75
    whole = INSIDE._replace(kept_width=300, kept_height=320)
    np.testing.assert_array_equal(whole.cut(image), part)


def serves_by_corners(window: Window, to_input: FloatArray) -> bool:
    """The rule, from the corners of the crop in kept pixels."""
    corners = np.array([(x, y) for x in (0.0, SIZE[0] - 1) for y in (0.0, SIZE[1] - 1)])
    to_kept = invert_affine(window.kept_to_input(to_input))
    low, high = apply_affine(to_kept, corners).min(axis=0), apply_affine(to_kept, corners).max(axis=0)
    starts = window.left == 0, window.top == 0
    ends = window.left + window.width == window.image_width, window.top + window.height == window.image_height
    last = window.kept_width - 1, window.kept_height - 1
    inside = all((starts[axis] or low[axis] >= 0) and (ends[axis] or high[axis] <= last[axis]) for axis in (0, 1))
    zoom = float(np.sqrt(abs(np.linalg.det(window.kept_to_input(to_input)[:, :2]))))
    scaled = window.kept_width < window.width
    return inside and (not scaled or zoom <= 3.0)


@pytest.mark.parametrize(
    "window",
    [
        INSIDE,
        INSIDE._replace(kept_width=300, kept_height=320),
        INSIDE._replace(left=0, top=0),
        INSIDE._replace(image_width=400, image_height=520),
    ],
    ids=["scaled down", "as it is", "at the upper left", "at the lower right"],
)
def test_serves_where_the_crop_stays_inside_and_sharp(window: Window) -> None:
    rng, answers = np.random.default_rng(1), []
    middle = np.array([window.left + window.width / 2, window.top + window.height / 2])
    for _ in range(400):
        height = rng.uniform(60, 330)
        center, scale = middle + rng.uniform(-80, 80, 2), np.array([0.75, 1.0]) * height
        to_input = image_to_input_matrix(center, scale, SIZE, rng.uniform(-90, 90), rng.random() < 0.5)
        answers.append(window.serves(to_input, SIZE))
        assert answers[-1] == serves_by_corners(window, to_input)
    assert 40 < sum(answers) < 360


def test_nearly_everything_that_augmentation_draws_lies_inside() -> None:
    """In an image without end, so that no border helps; half bodies included, of points anywhere in the box."""
    transform, skeleton = GeometricTransform(), get_skeleton("halpe26")
    rng, inside = np.random.default_rng(2), 0
    box = np.array([5000.0, 5000.0, 60.0, 100.0])
    window = Window(*find_windows(box[None], np.array([[10000, 10000]], np.int32), SIZE, 1.25)[0].tolist())
    window = window._replace(kept_width=window.width, kept_height=window.height)
    for _ in range(2000):
        keypoints = box[:2] + rng.random((26, 2)) * box[2:]
        plan = transform.draw(keypoints, np.ones(26, dtype=bool), box, skeleton, SIZE, rng)
        inside += window.serves(plan.matrix, SIZE)
    assert inside > 1980


def test_a_crop_from_the_part_shows_the_same() -> None:
    y, x = np.mgrid[0:900, 0:800]
    image = (127 + 60 * np.sin(x / 17)[..., None] + 60 * np.cos(y / 23)[..., None]).astype(np.uint8).repeat(3, axis=2)
    to_input = image_to_input_matrix(np.array([240.0, 350.0]), np.array([150.0, 200.0]), SIZE, 25.0)
    from_part = warp(INSIDE.cut(image), INSIDE.kept_to_input(to_input), SIZE)
    assert np.abs(from_part.astype(int) - warp(image, to_input, SIZE)).max() <= 4
