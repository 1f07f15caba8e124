"""The crop's map against the recipe's figures: 200,000 stored draws of each change, and sixteen stored crops."""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.transforms import (
    CropPlan,
    GeometricTransform,
    box_region,
    half_body_region,
    truncated_normal,
    warp,
)
from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import (
    FloatArray,
    apply_affine,
    fix_aspect_ratio,
    image_to_input_matrix,
    invert_affine,
)

HALPE26 = get_skeleton("halpe26")
INPUT_SIZE = (192, 256)
ALL, NONE = np.ones(26, dtype=bool), np.zeros(26, dtype=bool)
BOX = np.array([100.0, 50.0, 120.0, 200.0])
LEVELS = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])  # of the stored quantiles, without the extremes
STORED_DRAWS, DRAWS = 200_000, 20_000
NORMAL = NormalDist()
MASS = NORMAL.cdf(1.0) - NORMAL.cdf(-1.0)

BoolArray = npt.NDArray[np.bool_]


class Drawn(NamedTuple):
    """What was drawn, read back from the matrices alone."""

    flip: BoolArray
    shift: FloatArray
    scale: FloatArray
    rotation: FloatArray


def draw_many(transform: GeometricTransform, labelled: BoolArray, stage: int = 1) -> list[CropPlan]:
    rng = np.random.default_rng(20240902)
    keypoints = np.random.default_rng(1).uniform(60.0, 240.0, (26, 2))
    return [transform.draw(keypoints, labelled, BOX, HALPE26, INPUT_SIZE, rng, stage) for _ in range(DRAWS)]


def read_back(plans: list[CropPlan]) -> Drawn:
    """Undo the crops of `BOX`: its centre lies at the input's, its padded size fills the input's narrower axis."""
    matrices = np.stack([plan.matrix for plan in plans])
    linear = matrices[:, :, :2]
    determinant = np.linalg.det(linear)
    flip = determinant < 0
    linear = linear * np.where(flip, -1.0, 1.0)[:, None, None] ** np.array([1.0, 0.0])  # the mirroring is of x
    centers = apply_affine(invert_affine(matrices), np.array([[96.0, 128.0]]))[:, 0]
    padded = BOX[2:] * 1.25
    unscaled = 256.0 / padded[1]  # this box is narrower than the input
    return Drawn(
        flip=flip,
        shift=(centers - (BOX[:2] + BOX[2:] / 2)) / padded,
        scale=unscaled / np.sqrt(np.abs(determinant)),
        rotation=np.rad2deg(np.arctan2(linear[:, 0, 1], linear[:, 0, 0])),
    )


def assert_frequency(seen: float, expected: float) -> None:
    """Two binomial frequencies agree within 4.5 standard errors of their difference."""
    error = np.sqrt(max(expected * (1 - expected), 1e-12) * (1 / DRAWS + 1 / STORED_DRAWS))
    assert abs(seen - expected) <= 4.5 * error, (seen, expected, error)


def assert_quantiles(
    values: FloatArray, stored: list[float], stored_number: float, middle: float, factor: float
) -> None:
    """Quantiles agree within 4.5 standard errors, √(p(1−p)/n) / density; all values lie inside the cut."""
    normal = np.array([NORMAL.inv_cdf(NORMAL.cdf(-1.0) + MASS * level) for level in LEVELS])
    density = np.array([NORMAL.pdf(value) / MASS for value in normal]) / factor
    error = np.sqrt(LEVELS * (1 - LEVELS) * (1 / len(values) + 1 / stored_number)) / density
    np.testing.assert_array_less(np.abs(np.quantile(values, LEVELS) - np.array(stored[1:-1])), 4.5 * error)
    assert np.abs(values - middle).max() <= factor * (1 + 1e-9)
    gap = 12 / (len(values) * density[0])  # the chance of a wider one at an end is e⁻¹²
    assert values.min() <= stored[0] + gap
    assert values.max() >= stored[-1] - gap


@pytest.fixture(scope="module")
def distributions(reference: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((reference / "aug_distributions.json").read_text())
    return loaded


@pytest.mark.parametrize(
    ("case", "transform", "stage"),
    [
        ("bbox_stage1_ts", GeometricTransform(), 1),
        ("bbox_stage1_ml", GeometricTransform(scale_factor=0.5, rotation=90.0), 1),
        ("bbox_stage2_ts", GeometricTransform(), 2),
    ],
)
def test_jitter_is_distributed_as_in_the_recipe(
    distributions: dict[str, Any], case: str, transform: GeometricTransform, stage: int
) -> None:
    stored = distributions[case]
    drawn = read_back(draw_many(transform, NONE, stage))

    assert_frequency(float(drawn.flip.mean()), 0.5)
    assert_quantiles(drawn.scale, stored["scale_q"], STORED_DRAWS, 1.0, transform.scale_factor)

    shifted = np.abs(drawn.shift).max(axis=1) > 1e-9
    assert_frequency(float((~shifted).mean()), stored["shift_zero_frac"])
    if stage == 1:
        stored_shifts = 2 * STORED_DRAWS * (1 - stored["shift_zero_frac"])
        assert_quantiles(drawn.shift[shifted].ravel(), stored["shift_q"], stored_shifts, 0.0, transform.shift_factor)

    rotated = np.abs(drawn.rotation) > 1e-9
    assert_frequency(float((~rotated).mean()), stored["rot_zero_frac"])
    stored_rotations = STORED_DRAWS * (1 - stored["rot_zero_frac"])
    assert_quantiles(drawn.rotation[rotated], stored["rot_q_nonzero"], stored_rotations, 0.0, transform.rotation)


def test_the_decisions_are_independent() -> None:
    drawn = read_back(draw_many(GeometricTransform(), NONE))
    correlation = np.corrcoef((drawn.flip, *drawn.shift.T, drawn.scale, drawn.rotation)) - np.eye(5)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(DRAWS)


@pytest.mark.parametrize(
    ("case", "upper", "lower"),
    [
        ("halfbody_all_visible", 13, 13),
        ("halfbody_8_visible", 4, 4),
        ("halfbody_upper_only_10", 10, 0),
        ("halfbody_lower9_upper1", 1, 9),
    ],
)
def test_half_body_is_as_frequent_as_in_the_recipe(
    distributions: dict[str, Any], case: str, upper: int, lower: int
) -> None:
    labelled = np.zeros(26, dtype=bool)
    labelled[list(HALPE26.upper_body_indices[:upper] + HALPE26.lower_body_indices[:lower])] = True
    keypoints = np.random.default_rng(1).uniform(60.0, 240.0, (26, 2))
    plans = draw_many(GeometricTransform(flip_prob=0, shift_prob=0, scale_factor=0, rotation_prob=0), labelled)
    centers = apply_affine(invert_affine(np.stack([plan.matrix for plan in plans])), np.array([[96.0, 128.0]]))[:, 0]

    expected = distributions[case]
    halves = {"upper": HALPE26.upper_body_indices, "lower": HALPE26.lower_body_indices, "none": ()}
    for name, indices in halves.items():
        visible = [index for index in indices if labelled[index]]
        center = keypoints[visible].mean(axis=0) if visible else BOX[:2] + BOX[2:] / 2
        if name != "none" and not visible:
            continue
        assert_frequency(float(np.isclose(centers, center).all(axis=1).mean()), expected[name])


def test_half_body_region_is_the_recipe_s(distributions: dict[str, Any]) -> None:
    stored = distributions["halfbody_bbox"]
    assert tuple(stored["ids"]) == HALPE26.upper_body_indices
    region = half_body_region(np.array(stored["keypoints"]), ALL, HALPE26, upper=True, padding=stored["padding"])
    assert region is not None
    np.testing.assert_allclose(region.center, stored["center"], rtol=1e-6)
    np.testing.assert_allclose(region.scale, stored["scale"], rtol=1e-6)


def test_truncated_normal_is_cut_and_not_clipped() -> None:
    uniform = (np.arange(10_000) + 0.5) / 10_000
    values = np.array([truncated_normal(float(value)) for value in uniform])
    expected = 1 - 2 * NORMAL.pdf(1.0) / MASS  # variance of the normal distribution cut to one standard deviation
    assert np.var(values) == pytest.approx(expected, rel=1e-3)
    assert truncated_normal(0.0) == pytest.approx(-1.0)
    assert np.count_nonzero(np.abs(values) > 0.999) < 20


def test_validation_takes_the_padded_box_and_draws_nothing() -> None:
    plan = GeometricTransform().draw(np.zeros((26, 2)), ALL, BOX, HALPE26, INPUT_SIZE, None)
    assert not plan.flip
    zoom = 256.0 / (200.0 * 1.25)
    np.testing.assert_allclose(plan.matrix, [[zoom, 0, 96 - 160 * zoom], [0, zoom, 128 - 150 * zoom]], atol=1e-12)


def test_equal_seeds_give_equal_crops() -> None:
    def draw(seed: int) -> list[CropPlan]:
        rng = np.random.default_rng(seed)
        keypoints = np.random.default_rng(0).uniform(60.0, 240.0, (26, 2))
        return [GeometricTransform().draw(keypoints, ALL, BOX, HALPE26, INPUT_SIZE, rng) for _ in range(20)]

    first, again, other = draw(7), draw(7), draw(8)
    assert all(np.array_equal(a.matrix, b.matrix) and a.flip == b.flip for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.matrix, b.matrix) for a, b in zip(first, other, strict=True))


def test_a_setting_does_not_change_what_another_draws() -> None:
    full, still = (
        read_back(draw_many(transform, NONE))
        for transform in (GeometricTransform(), GeometricTransform(flip_prob=0.0, shift_prob=0.0))
    )
    np.testing.assert_allclose(full.scale, still.scale, rtol=1e-9)
    np.testing.assert_allclose(full.rotation, still.rotation, atol=1e-6)


@pytest.mark.parametrize("case", range(16))
def test_warp_equals_the_stored_crops(reference: Path, case: int) -> None:
    stored = json.loads((reference / "synth_warp.json").read_text())[case]
    image = noise_image()
    expected = np.load(reference / "synth_warp_cv5.npz")[f"img{case}"]
    size = (stored["input_size"][0], stored["input_size"][1])
    mirrored = np.ascontiguousarray(image[:, ::-1]) if stored["flip"] else image
    assert_same_picture(warp(mirrored, np.array(stored["warp"]), size), expected)
    if stored["use_udp"]:
        return  # another convention of the matrix, which this project does not have

    # The same crop by this project's own way: one matrix, the mirroring included, from the box as annotated.
    matrix = matrix_of(stored, size)
    assert_same_picture(warp(image, matrix, size), expected)
    order = list(HALPE26.flip_indices) if stored["flip"] else list(range(26))
    keypoints_input = apply_affine(matrix, np.array(stored["keypoints_in"])[order])
    np.testing.assert_allclose(keypoints_input, stored["transformed_keypoints"], atol=2e-3)


def noise_image() -> npt.NDArray[np.uint8]:
    """The picture of the stored crops: 640×480 pixels, squares of 8×8 in random colours."""
    colours = np.random.RandomState(5).randint(0, 256, (60, 80, 3)).astype(np.uint8)
    return colours.repeat(8, axis=0).repeat(8, axis=1)


def matrix_of(stored: dict[str, Any], size: tuple[int, int]) -> FloatArray:
    """The crop of the annotated box with the stored rotation and mirroring."""
    left, top, right, bottom = stored["bbox_xyxy"]
    region = box_region(np.array([left, top, right - left, bottom - top]), padding=1.25)
    scale = fix_aspect_ratio(region.scale, size)
    return image_to_input_matrix(region.center, scale, size, stored["rot"], stored["flip"])


def assert_same_picture(crop: npt.NDArray[np.uint8], expected: npt.NDArray[np.uint8]) -> None:
    """Equal up to what OpenCV 4 and 5 differ by."""
    assert crop.dtype == np.uint8
    assert crop.shape == expected.shape
    assert np.abs(crop.astype(int) - expected).max() <= 5


@pytest.mark.parametrize("seed", range(12))
def test_each_keypoint_s_dot_is_found_at_its_transformed_place(seed: int) -> None:
    """One disc per keypoint in a colour of its own: in a mirrored crop the partner's colour is found instead."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(5)), axis=-1).reshape(-1, 2)[:26]
    keypoints = np.array([220.0, 140.0]) + grid * 40.0 + rng.uniform(-8.0, 8.0, (26, 2))
    colours = np.column_stack((np.full(26, 255), grid * 50))  # full red: no blend with black looks like another
    image = discs(keypoints, colours)
    box = np.array([200.0, 110.0, 250.0, 230.0])
    plan = GeometricTransform().draw(keypoints, ALL, box, HALPE26, (384, 512), rng)
    crop = warp(image, plan.matrix, (384, 512))

    order = list(HALPE26.flip_indices) if plan.flip else list(range(26))
    keypoints_input = apply_affine(plan.matrix, keypoints)[order]
    found = 0
    for index, place in enumerate(keypoints_input):
        if not ((place > 25.0) & (place < np.array([359.0, 487.0]))).all():
            continue  # the dot may be cut off
        partner = HALPE26.flip_indices[index] if plan.flip else index
        np.testing.assert_allclose(dot_center(crop, colours[partner]), place, atol=0.6)
        found += 1
    assert found >= 4


def discs(centers: FloatArray, colours: npt.NDArray[np.int_]) -> npt.NDArray[np.uint8]:
    """A black picture of 640×480 pixels with discs of 5 pixels' radius at fractional places."""
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    for center, colour in zip(centers, colours, strict=True):
        place = (round(float(center[0]) * 256), round(float(center[1]) * 256))
        cv2.circle(image, place, 5 * 256, [int(value) for value in colour], -1, shift=8)
    return image


def dot_center(crop: npt.NDArray[np.uint8], colour: npt.NDArray[np.int_]) -> FloatArray:
    """Mean place of the pixels of a colour, x then y."""
    rows, columns = np.nonzero(np.abs(crop.astype(int) - colour).max(axis=2) <= 2)
    center: FloatArray = np.array([columns.mean(), rows.mean()])
    return center


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("flip_prob", 1.5, "from 0 to 1"),
        ("half_body_prob", -0.1, "from 0 to 1"),
        ("shift_prob", float("nan"), "from 0 to 1"),
        ("padding", 0.0, "above 0"),
        ("half_body_padding", -1.0, "above 0"),
        ("scale_factor", 1.0, "below 1"),
        ("shift_factor", -0.1, "at least 0"),
        ("rotation", float("inf"), "finite"),
        ("half_body_min_keypoints", -1, "at least 0"),
    ],
)
def test_settings_out_of_range_are_named(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ElifPoseError, match=f"{name} is .*{allowed}"):
        GeometricTransform(**{name: value})
