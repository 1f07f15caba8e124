from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from elifpose.datasets.layouts.image_records import labelled_frames, read_sizes, with_sizes
from elifpose.utils.errors import ElifPoseError

FILE = Path("a.json")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images of three formats, 12 × 7, 9 × 8 and 5 × 4 pixels."""
    for name, (width, height) in {"a.png": (12, 7), "v/b.jpg": (9, 8), "v/c.bmp": (5, 4)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((height, width, 3), np.uint8))
    return tmp_path


def test_sizes_come_in_the_order_of_names(images: Path) -> None:
    names = ["v/b.jpg", "a.png", "v/c.bmp"] * 200  # more than are read at once
    assert read_sizes(images, names, FILE) == [(9, 8), (12, 7), (5, 4)] * 200


def test_missing_and_broken_images_are_named(images: Path) -> None:
    with pytest.raises(
        ElifPoseError, match=r"^a\.json does not say .*, and 2 of 3 are not in .*\(x\.jpg, v/a\.png\)"
    ):
        read_sizes(images, ["x.jpg", "a.png", "v/a.png"], FILE)
    (images / "d.jpg").write_bytes(b"text")
    with pytest.raises(ElifPoseError, match=r"d\.jpg is not an image"):
        read_sizes(images, ["a.png", "d.jpg"], FILE)


def test_images_without_sizes_get_them(images: Path) -> None:
    document = {"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "v/b.jpg"}], "annotations": []}
    sizes = [(image["width"], image["height"]) for image in with_sizes(document, images, FILE)["images"]]
    assert sizes == [(12, 7), (9, 8)]


@pytest.mark.parametrize(
    "document",
    [
        {"images": [{"file_name": "x", "width": 3, "height": 4}]},
        {"images": [{"file_name": "x"}, {"file_name": "y", "width": 3}]},
        {"images": [{"file_name": 3}]},
        {"images": [3]},
        {"images": []},
        {"images": {}},
        {},
        [],
        None,
    ],
)
def test_all_else_is_left_to_the_reader(document: Any) -> None:
    assert with_sizes(document, Path("nowhere"), FILE) is document


def test_frames_that_were_not_annotated_are_left_out() -> None:
    frames = [{"id": 1, "is_labeled": True}, {"id": 2, "is_labeled": False}, {"id": 3}]
    assert labelled_frames({"images": frames, "info": 5}) == {"images": [frames[0], frames[2]], "info": 5}
    unlabelled = {"images": frames[1:2]}  # a test set: nothing is annotated at all
    assert labelled_frames(unlabelled) == unlabelled
    others: tuple[Any, ...] = ([], None, {"images": 3}, {"images": [3]})
    for other in others:
        assert labelled_frames(other) == other
