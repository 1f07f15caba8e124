import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elifpose.datasets.annotated_images import AnnotatedImages
from elifpose.datasets.coco import parse_coco
from elifpose.structures.skeletons import COCO17


@pytest.fixture
def stored() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 64, 3), dtype=np.uint8))


def images(folder: Path) -> AnnotatedImages:
    document = {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 60}], "annotations": []}
    return AnnotatedImages(folder, parse_coco(json.dumps(document).encode(), Path("a.json"), COCO17))


def test_orientation_is_applied_only_where_the_annotated_size_says_so(tmp_path: Path, stored: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for picture in (stored, stored.transpose(Image.Transpose.ROTATE_90)):
        picture.save(tmp_path / "a.png", exif=exif.tobytes())
        np.testing.assert_array_equal(images(tmp_path).read(0), np.asarray(stored))
        np.testing.assert_array_equal(images(tmp_path).read_into_buffer(0)[..., :3], np.asarray(stored))


def test_another_size_is_used_as_it_is_and_told(tmp_path: Path, stored: Image.Image) -> None:
    wider = stored.resize((128, 60))
    wider.save(tmp_path / "a.png")
    for read in (images(tmp_path).read, images(tmp_path).read_into_buffer):
        with pytest.warns(UserWarning, match=r"a\.png is 128 x 60 pixels, annotated as 64 x 60: keypoints are off"):
            found = read(0)
        np.testing.assert_array_equal(found[..., :3], np.asarray(wider))


def test_a_buffered_picture_lasts_until_the_next(tmp_path: Path, stored: Image.Image) -> None:
    stored.save(tmp_path / "a.png")
    with warnings.catch_warnings(action="error"):
        first, second = (images(tmp_path).read_into_buffer(0) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        of_one = images(tmp_path)
        assert np.shares_memory(of_one.read_into_buffer(0), of_one.read_into_buffer(0))
        assert not np.shares_memory(of_one.read(0), of_one.read(0))
