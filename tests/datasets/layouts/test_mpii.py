import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from elifpose.datasets.layouts.mpii import from_mpii_json, from_mpii_mat
from elifpose.utils.errors import ElifPoseError

Structures = Callable[[list[dict[str, Any]]], Any]
FILE = Path("mpii")
JOINTS = [[-1.0, -1.0], *([10.0 * i, 5.0 * i] for i in range(1, 16))]
PERSON = {
    "image": "000012345.jpg",
    "center": [101, 51],
    "scale": 1.5,
    "joints": JOINTS,
    "joints_vis": [0] + [1] * 15,
}
NOTHING = np.zeros((0, 0))


def test_the_box_is_a_square_around_a_lowered_centre_counted_from_zero() -> None:
    person = from_mpii_json([PERSON], FILE)["annotations"][0]
    x, y, side = 101 - 1, 51 + 1.5 * 15 - 1, 1.5 * 200
    assert person["bbox"] == [x - side / 2, y - side / 2, side, side]
    assert person["area"] == pytest.approx(0.53 * side**2)


def test_joints_are_counted_from_zero_and_missing_ones_not_labelled() -> None:
    points = np.reshape(from_mpii_json([PERSON], FILE)["annotations"][0]["keypoints"], (16, 3))
    np.testing.assert_array_equal(points[0], 0)
    np.testing.assert_array_equal(points[1:, :2], np.array(JOINTS[1:]) - 1)
    assert points[1:, 2].tolist() == [2] * 15


def test_people_of_one_image_share_it() -> None:
    document = from_mpii_json([PERSON, {**PERSON, "image": "7.jpg", "center": [-1, -1]}, PERSON], FILE)
    assert document["images"] == [{"id": 12345, "file_name": "000012345.jpg"}, {"id": 7, "file_name": "7.jpg"}]
    assert [(person["id"], person["image_id"]) for person in document["annotations"]] == [
        (0, 12345),
        (1, 7),
        (2, 12345),
    ]
    assert document["annotations"][1]["bbox"] is None


@pytest.mark.parametrize(
    "changes",
    [{"joints": JOINTS[:15]}, {"joints": None}, {"center": [1]}, {"scale": "2"}, {"image": "x.jpg"}, {"image": 3}],
)
def test_what_is_not_of_the_json_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match=r"^mpii: person number 1 is not as in MPII's converted JSON"):
        from_mpii_json([PERSON, {**PERSON, **changes}], FILE)


@pytest.fixture
def release(structure_array: Structures) -> Callable[..., bytes]:
    """A function that writes the publisher's documented structure, made here: the publisher's file was not at hand.

    Image 1 has two people of whom the second has no joints, image 2 is of the test, image 3 has nobody, image 4 one
    person without centre and scale.
    """

    def make(**changes: Any) -> bytes:
        points: list[dict[str, Any]] = [
            {"x": x, "y": y, "id": i, "is_visible": str(i % 2)} for i, (x, y) in enumerate(JOINTS) if i
        ]
        points[7]["is_visible"] = points[8]["is_visible"] = NOTHING  # joints 8 and 9 are the head's
        center = structure_array([{"x": 101, "y": 51}])
        annopoints = structure_array([{"point": structure_array(points)}])
        head = {"x1": 1, "y1": 2, "x2": 3, "y2": 4}
        people = [
            {**head, "annopoints": annopoints, "scale": 1.5, "objpos": center},
            {**head, "annopoints": NOTHING, "scale": 2.0, "objpos": center},
        ]
        tested = structure_array([{"scale": 1.0, "objpos": center}])
        alone = structure_array([{**head, "annopoints": structure_array([{"point": structure_array(points[:1])}])}])
        names = ("000012345.jpg", "2.jpg", "3.jpg", "4.jpg")
        annolist = [
            {"image": structure_array([{"name": name}]), "annorect": rectangles}
            for name, rectangles in zip(names, (structure_array(people), tested, NOTHING, alone), strict=True)
        ]
        file = io.BytesIO()
        img_train = np.array([[1, 0, 1, 1]], np.uint8)
        fields = {"annolist": structure_array(annolist), "img_train": img_train, "version": "12", **changes}
        savemat(file, {"RELEASE": fields})
        return file.getvalue()

    return make


def test_the_publishers_structure_says_what_the_json_says(release: Callable[..., bytes]) -> None:
    document = from_mpii_mat(release(), FILE)
    assert document["images"] == [{"id": 12345, "file_name": "000012345.jpg"}, {"id": 4, "file_name": "4.jpg"}]
    first, second, alone = document["annotations"]
    (expected,) = from_mpii_json([PERSON], FILE)["annotations"]
    assert first["bbox"] == expected["bbox"]
    np.testing.assert_array_equal(
        np.delete(first["keypoints"], np.s_[2::3]), np.delete(expected["keypoints"], np.s_[2::3])
    )
    assert first["keypoints"][2::3] == [0, 2, 1, 2, 1, 2, 1, 2, 2, 2, 1, 2, 1, 2, 1, 2]
    assert second["bbox"][2:] == [400, 400]
    assert not any(second["keypoints"])
    assert alone["bbox"] is None
    assert alone["keypoints"][3:6] == [9, 4, 2]
    assert not any(alone["keypoints"][6:])


def test_a_single_image_is_an_array_of_one(release: Callable[..., bytes], structure_array: Structures) -> None:
    image = structure_array([{"name": "9.jpg"}])
    person = structure_array([{"scale": 1.0, "objpos": structure_array([{"x": 1, "y": 1}])}])
    annolist = structure_array([{"image": image, "annorect": person}])
    document = from_mpii_mat(release(annolist=annolist, img_train=1), FILE)
    assert document["images"] == [{"id": 9, "file_name": "9.jpg"}]
    assert len(document["annotations"]) == 1


def test_other_structures_are_named(release: Callable[..., bytes], structure_array: Structures) -> None:
    with pytest.raises(ElifPoseError, match=r"^mpii: RELEASE is not as in MPII's structure RELEASE"):
        from_mpii_mat(release(img_train=np.ones(3)), FILE)
    file = io.BytesIO()
    savemat(file, {"other": 1})
    with pytest.raises(ElifPoseError, match=r"^mpii: RELEASE is not as in MPII's structure RELEASE"):
        from_mpii_mat(file.getvalue(), FILE)
    broken = structure_array(
        [
            {
                "image": structure_array([{"name": "9.jpg"}]),
                "annorect": structure_array(
                    [{"annopoints": structure_array([{"point": structure_array([{"x": 1, "y": 2, "id": 16}])}])}]
                ),
            }
        ]
    )
    with pytest.raises(ElifPoseError, match=r"^mpii: annolist\(1\) is not as in MPII's structure RELEASE"):
        from_mpii_mat(release(annolist=broken, img_train=1), FILE)
