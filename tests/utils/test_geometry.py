import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.utils.geometry import (
    apply_affine,
    box_to_center_scale,
    fix_aspect_ratio,
    image_to_input_matrix,
    invert_affine,
)

CASES = [(seed, rotation, flip) for seed in range(3) for rotation in (0.0, 37.0, -120.0) for flip in (False, True)]


def random_region(seed: int, input_size: tuple[int, int] = (192, 256)) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    return random.uniform(0, 600, 2), fix_aspect_ratio(random.uniform(20, 500, 2), input_size)


def read_cases(path: Path) -> list[Any]:
    """The reference's crops without UDP, which is another convention of pixel centres."""
    content = json.loads(path.read_text())
    return [case for case in (content if isinstance(content, list) else content["cases"]) if not case["use_udp"]]


def xyxy_to_xywh(box: list[float]) -> Any:
    return np.array([box[0], box[1], box[2] - box[0], box[3] - box[1]])


def test_crops_of_boxes_equal_reference(reference: Path) -> None:
    cases = read_cases(reference / "synth_warp.json")
    mirrored = 0
    for case in cases:
        size = tuple(case["input_size"])
        box = xyxy_to_xywh(case["bbox_xyxy"])
        center, scale = box_to_center_scale(box, size)
        np.testing.assert_allclose(scale, case["scale_fixed"], rtol=1e-6)
        found = apply_affine(
            image_to_input_matrix(center, scale, size, case["rot"], case["flip"]), np.array(case["keypoints_in"])
        )
        if case["flip"]:
            # The reference mirrors the image first and its matrix belongs to that one; ours belongs to the image.
            found = found[list(HALPE26.flip_indices)]
            mirrored += 1
        else:
            np.testing.assert_allclose(center, case["center"], rtol=1e-6)
            matrix = image_to_input_matrix(center, scale, size, case["rot"])
            np.testing.assert_allclose(matrix, case["warp"], rtol=2e-6, atol=1e-4)
        np.testing.assert_allclose(found, case["transformed_keypoints"], atol=2e-4)
    assert len(cases) == 11
    assert mirrored == 2


def test_crops_of_real_annotations_equal_reference(shared: Path) -> None:
    cases = read_cases(shared / "reference" / "transforms_affine.json")
    for case in cases:
        size = tuple(case["input_size"])
        # Whatever the image's width: it cancels.
        for width in (640.0, 1000.0) if case["flip"] else (None,):
            center, keypoints = np.array(case["input_center"]), np.array(case["keypoints"])
            if width is not None:
                center[0], keypoints[:, 0] = width - 1 - center[0], width - 1 - keypoints[:, 0]
            matrix = image_to_input_matrix(center, np.array(case["input_scale"]), size, case["rot"], case["flip"])
            np.testing.assert_allclose(apply_affine(matrix, keypoints), case["transformed_keypoints"], atol=1e-3)
    assert sum(case["flip"] for case in cases) == 2
    assert len(keypoints) == COCO17.num_keypoints


def test_boxes_of_real_annotations_equal_reference(shared: Path) -> None:
    for case in read_cases(shared / "reference" / "transforms_affine.json"):
        center, scale = box_to_center_scale(xyxy_to_xywh(case["bbox_xyxy_after_flip"]), tuple(case["input_size"]))
        np.testing.assert_allclose(center, case["bbox_center0"], rtol=1e-6)
        jittered = np.array(case["bbox_scale0"]) * case["scale_mul"]
        np.testing.assert_allclose(
            fix_aspect_ratio(jittered, tuple(case["input_size"])), case["bbox_scale_fixed"], rtol=1e-6
        )
        if case["scale_mul"] == 1:
            np.testing.assert_allclose(scale, case["bbox_scale_fixed"], rtol=1e-6)


def test_way_back_to_the_image_equals_reference(shared: Path) -> None:
    content = json.loads((shared / "reference" / "transforms_affine.json").read_text())
    compared = 0
    for entry in content["inverse"]:
        case = content["cases"][entry["case"]]
        if case["use_udp"]:
            continue
        matrix = image_to_input_matrix(
            np.array(case["input_center"]), np.array(case["input_scale"]), tuple(case["input_size"]), case["rot"]
        )
        found = apply_affine(invert_affine(matrix), np.array(entry["input_kpts"]))
        np.testing.assert_allclose(found, entry["image_kpts"], atol=1e-3)
        compared += 1
    assert compared >= 12


@pytest.mark.parametrize(("seed", "rotation", "flip"), CASES)
def test_inverse_undoes_the_crop(seed: int, rotation: float, flip: bool) -> None:
    center, scale = random_region(seed)
    matrix = image_to_input_matrix(center, scale, (192, 256), rotation, flip)
    points = np.random.default_rng(seed).uniform(-100, 700, (5, 2))
    np.testing.assert_allclose(apply_affine(invert_affine(matrix), apply_affine(matrix, points)), points, atol=1e-9)


@pytest.mark.parametrize(("seed", "rotation", "flip"), CASES)
def test_crop_is_a_similarity_about_the_centre(seed: int, rotation: float, flip: bool) -> None:
    center, scale = random_region(seed)
    matrix = image_to_input_matrix(center, scale, (192, 256), rotation, flip)
    np.testing.assert_allclose(apply_affine(matrix, center[None]), [[96.0, 128.0]], atol=1e-9)
    zoom = 192 / scale[0]
    np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, zoom**2 * np.eye(2), atol=1e-12)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(-(zoom**2) if flip else zoom**2)


@pytest.mark.parametrize(("seed", "rotation"), [(0, 0.0), (1, 25.0), (2, -80.0)])
def test_mirroring_the_image_first_gives_the_same_crop(seed: int, rotation: float) -> None:
    center, scale = random_region(seed)
    width = 640
    mirror = np.array([[-1.0, 0.0, width - 1], [0.0, 1.0, 0.0]])
    points = np.random.default_rng(seed).uniform(0, 640, (7, 2))
    mirrored_center = apply_affine(mirror, center[None])[0]
    expected = apply_affine(
        image_to_input_matrix(mirrored_center, scale, (192, 256), rotation), apply_affine(mirror, points)
    )
    found = apply_affine(image_to_input_matrix(center, scale, (192, 256), rotation, flip=True), points)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_positive_rotation_turns_counter_clockwise_as_seen() -> None:
    matrix = image_to_input_matrix(np.array([50.0, 50.0]), np.array([30.0, 40.0]), (30, 40), rotation=90.0)
    right_of_centre = apply_affine(matrix, np.array([[60.0, 50.0]]))
    np.testing.assert_allclose(right_of_centre, [[15.0, 10.0]], atol=1e-9)  # above the centre: y points down


@pytest.mark.parametrize("box", [(10.0, 20.0, 30.0, 400.0), (5.0, 6.0, 300.0, 40.0), (0.0, 0.0, 96.0, 128.0)])
def test_region_has_the_inputs_shape_and_just_holds_the_padded_box(box: tuple[float, ...]) -> None:
    center, scale = box_to_center_scale(np.array(box), (192, 256), padding=1.5)
    assert scale[0] / scale[1] == pytest.approx(192 / 256)
    assert min(scale[0] / box[2], scale[1] / box[3]) == pytest.approx(1.5)
    np.testing.assert_allclose(center, [box[0] + box[2] / 2, box[1] + box[3] / 2])


def test_many_boxes_and_matrices_at_once() -> None:
    random = np.random.default_rng(0)
    boxes = random.uniform(10, 200, (2, 3, 4))
    centers, scales = box_to_center_scale(boxes, (192, 256))
    assert centers.shape == scales.shape == (2, 3, 2)
    matrices = np.array(
        [image_to_input_matrix(*pair, (192, 256)) for pair in zip(centers[0], scales[0], strict=True)]
    )
    points = random.uniform(0, 200, (3, 5, 2))
    together = apply_affine(invert_affine(matrices), points)
    for index in range(3):
        np.testing.assert_allclose(together[index], apply_affine(invert_affine(matrices[index]), points[index]))
    np.testing.assert_allclose(centers[1, 2], box_to_center_scale(boxes[1, 2], (192, 256))[0])
