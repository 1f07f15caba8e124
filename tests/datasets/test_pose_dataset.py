import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from elifpose.datasets.corruption import Corruption
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.sampler import SampleKey
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton
from elifpose.utils.image import read_bytes

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]
OpenSet = Callable[..., PoseDataset]


def in_image(keypoints: np.ndarray[Any, Any], matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Points mapped by an affine matrix, written out."""
    x, y = keypoints[:, 0], keypoints[:, 1]
    return np.stack([row[0] * x + row[1] * y + row[2] for row in matrix], axis=-1)


def test_a_sample_is_the_crop_of_the_box(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    record = person(4, 2)
    sample = open_set(make_set("a", [record]))[0]
    points = np.array(record["keypoints"]).reshape(17, 3)[:, :2]
    # Box 40 x 48 at (8, 6), padded to 50 x 60 and kept at 3:4 by widening: 48 / 50 input pixels per image pixel.
    zoom, center = 48 / 50, (28, 30)
    expected = (points - center) * zoom + (24, 32)
    np.testing.assert_allclose(sample.keypoints_input, expected, atol=1e-4)
    np.testing.assert_allclose(in_image(sample.keypoints_input, sample.input_to_image), points, atol=1e-4)
    assert sample.image.shape == (64, 48, 3)
    assert (sample.image_id, sample.sample_index, sample.dataset_index, sample.box_score) == (2, 0, 3, 1.0)
    np.testing.assert_array_equal(sample.box_image, [8, 6, 40, 48])
    np.testing.assert_array_equal(sample.weights, np.ones(17))


def test_pixels_follow_the_keypoints_when_augmented(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1, keypoints=[20, 30, 2, 0, 0, 0, 0, 0, 0, *[30, 20, 2] * 14], num_keypoints=15)])
    picture = np.zeros((60, 64, 3), np.uint8)
    picture[28:33, 18:23] = (0, 0, 255)  # red, as OpenCV writes it, about the nose
    cv2.imwrite(str(root / "a" / "a-1.png"), picture)
    data = open_set(root, transform=GeometricTransform(half_body_prob=0.0, shift_prob=0.0, scale_factor=0.2))
    flips = 0
    for epoch in range(40):
        sample = data[SampleKey(epoch, 1, 0)]
        red = np.argwhere(sample.image[..., 0] > 128)
        if len(red) > 12:
            np.testing.assert_allclose(red.mean(axis=0)[::-1], sample.keypoints_input[0], atol=0.6)
            assert not sample.image[..., 1:].any()
        flips += bool(np.linalg.det(sample.input_to_image[:, :2]) < 0)
    assert 8 < flips < 32


def test_mirrored_people_change_sides(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    keypoints = person(1, 1)["keypoints"]
    keypoints[3 * 5 + 2] = 0  # the left shoulder
    root = make_set("a", [person(1, 1, keypoints=keypoints)])
    mirror = GeometricTransform(1.0, 0.0, shift_prob=0.0, scale_factor=0.0, rotation_prob=0.0)
    plain, mirrored = open_set(root)[0], open_set(root, transform=mirror)[0]
    skeleton = get_skeleton("coco17")
    assert plain.weights[skeleton.index("left_shoulder")] == 0
    assert mirrored.weights[skeleton.index("left_shoulder")] == 1
    assert mirrored.weights[skeleton.index("right_shoulder")] == 0
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    # The crop's centre line stays: (x - 24) changes its sign.
    np.testing.assert_allclose(
        mirrored.keypoints_input[left], [48, 0] + plain.keypoints_input[right] * [-1, 1], atol=1e-4
    )


def test_augmentation_depends_on_what_was_asked_for(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    data = open_set(make_set("a", [person(i, 1) for i in range(1, 4)]), transform=GeometricTransform())
    asked = SampleKey(3, 1, 1)
    np.testing.assert_array_equal(data[asked].image, data.__getitems__([SampleKey(3, 1, 0), asked])[1].image)
    drawn = {
        data[SampleKey(epoch, 1, 1, repeat)].input_to_image.tobytes() for epoch in range(5) for repeat in range(2)
    }
    assert len(drawn) == 10


def test_an_image_is_decoded_once_for_all_its_people(
    open_set: OpenSet, make_set: MakeSet, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_set(make_set("a", [person(i, 1 + i % 2) for i in range(6)]))
    read: list[str] = []

    def counting(path: Path) -> bytes:
        read.append(path.name)
        return read_bytes(path)

    monkeypatch.setattr("elifpose.utils.image_buffer.read_bytes", counting)
    asked = [5, 0, 3, 1, 4, 2]
    together = data.__getitems__(asked)
    assert sorted(read) == ["a-1.png", "a-2.png"]
    for index, sample in zip(asked, together, strict=True):
        assert sample.sample_index == index
        np.testing.assert_array_equal(sample.image, data[index].image)


def test_keypoints_that_the_set_lacks_have_no_weight(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    data = open_set(make_set("a", [person(1, 1)]), target="halpe26")
    np.testing.assert_array_equal(data[0].weights, [1] * 17 + [0] * 9)
    np.testing.assert_array_equal(data[0].keypoints_input[17:], 0)


@pytest.mark.parametrize(
    "corruption", [Corruption("shift", 0.2), Corruption("scale", 0.7), Corruption("rotation", 40.0)], ids=str
)
def test_a_disturbed_crop_knows_where_it_was_taken(
    corruption: Corruption, open_set: OpenSet, make_set: MakeSet, person: Person
) -> None:
    people = [person(i, 1 + i % 2) for i in range(6)]
    root = make_set("a", people)
    for i in (1, 2):
        picture = np.zeros((60, 64, 3), np.uint8)
        cv2.imwrite(str(root / "a" / f"a-{i}.png"), picture)
    marked = np.zeros((60, 64, 3), np.uint8)
    marked[28:33, 38:43] = 255
    cv2.imwrite(str(root / "a" / "a-1.png"), marked)
    plain = open_set(root)
    disturbed = plain.corrupted(corruption)
    assert plain.corruption is None
    annotated = {one["id"]: one for one in plain.ground_truth()["annotations"]}
    ids = [i for image in (0, 1) for i in range(6) if i % 2 == image]
    for of_plain, of_disturbed, annotation_id in zip(plain, disturbed, ids, strict=True):  # type: ignore[call-overload]
        truth = np.reshape(annotated[annotation_id]["keypoints"], (17, 3))[:, :2]
        assert not np.allclose(of_plain.keypoints_input, of_disturbed.keypoints_input, atol=0.5)
        found = in_image(of_disturbed.keypoints_input, of_disturbed.input_to_image)
        np.testing.assert_allclose(found, truth, atol=1e-4)
        for field in ("box_image", "box_score", "area", "image_id", "sample_index", "dataset_index", "weights"):
            np.testing.assert_array_equal(getattr(of_plain, field), getattr(of_disturbed, field))
        bright = np.argwhere(of_disturbed.image[..., 0] > 128)[:, ::-1]
        if of_disturbed.image_id == 1:
            at = in_image(bright.mean(axis=0, keepdims=True), of_disturbed.input_to_image)
            np.testing.assert_allclose(at, [[40, 30]], atol=0.6)


def test_disturbances_depend_on_seed_set_and_person_alone(
    open_set: OpenSet, make_set: MakeSet, person: Person
) -> None:
    root = make_set("a", [person(i, 1 + i % 2) for i in range(6)])
    data = open_set(root).corrupted(Corruption("shift", 0.3))
    alone = [data[index].input_to_image for index in range(6)]
    together = [sample.input_to_image for sample in data.__getitems__([5, 3, 0, 1, 4, 2])]
    np.testing.assert_array_equal(np.stack(together), np.stack([alone[i] for i in (5, 3, 0, 1, 4, 2)]))
    # Everyone has the same box, so that only the draw makes a difference.
    assert len({matrix.tobytes() for matrix in alone}) == 6
    again = pickle.loads(pickle.dumps(data))  # noqa: S301 (our own bytes, as workers get them)
    np.testing.assert_array_equal(again[3].input_to_image, alone[3])
    data.seed = 1
    assert not np.array_equal(data[3].input_to_image, alone[3])


def test_training_is_not_disturbed(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    data = open_set(make_set("a", [person(1, 1)]), transform=GeometricTransform())
    with pytest.raises(ValueError, match="evaluated on"):
        data.corrupted(Corruption("blur", 1.0))


def test_images_of_another_size_are_reported(open_set: OpenSet, make_set: MakeSet, person: Person) -> None:
    root = make_set("a", [person(1, 1)], images=1)
    cv2.imwrite(str(root / "a" / "a-1.png"), np.zeros((120, 128, 3), np.uint8))
    with pytest.warns(UserWarning, match="1 of 1 images looked at have another size .*128 x 120, annotated 64 x 60"):
        data = open_set(root)
    with pytest.warns(UserWarning, match=r"a-1\.png is 128 x 120 pixels, annotated as 64 x 60"):
        data[0]
