import pickle
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.datasets.transforms import warp
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image
from elifpose.utils.image_buffer import ImageBuffer


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Pictures of several sizes: first a small one, then a larger one, then a grey one."""
    rng, paths = np.random.default_rng(0), []
    for name, shape in (("a.jpg", (40, 30, 3)), ("b.png", (70, 90, 3)), ("c.jpg", (20, 50))):
        paths.append(tmp_path / name)
        cv2.imwrite(str(paths[-1]), rng.integers(0, 256, shape, dtype=np.uint8))
    return paths


def test_pictures_are_those_of_read_image_with_a_fourth_channel(paths: list[Path]) -> None:
    buffer = ImageBuffer()
    for path in [*paths, *paths]:
        image = buffer.read(path)
        np.testing.assert_array_equal(image[..., :3], read_image(path))
        assert (image[..., 3] == 255).all()


def test_the_next_picture_takes_the_same_memory(paths: list[Path]) -> None:
    buffer = ImageBuffer()
    larger, smaller = buffer.read(paths[1]), buffer.read(paths[0])
    assert np.shares_memory(larger, smaller)


def test_threads_and_processes_do_not_share_it(paths: list[Path]) -> None:
    buffer = ImageBuffer()
    mine, theirs = buffer.read(paths[0]), []
    thread = threading.Thread(target=lambda: theirs.append(buffer.read(paths[1])))
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, theirs[0])
    assert len(pickle.dumps(buffer)) < 200


def test_errors_are_those_of_read_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    with pytest.raises(ElifPoseError, match=r"the image .*a\.jpg is cut off"):
        ImageBuffer().read(tmp_path / "a.jpg")
    with pytest.raises(ElifPoseError, match="there is no image"):
        ImageBuffer().read(tmp_path / "b.jpg")


@pytest.mark.parametrize("matrix", [((0.8, 0.0, -10.0), (0.0, 0.8, -5.0)), ((0.6, 0.4, -3.0), (-0.4, 0.6, 20.0))])
def test_four_channels_are_warped_to_the_same_values(
    paths: list[Path], matrix: tuple[tuple[float, float, float], ...]
) -> None:
    to_input = np.array(matrix)
    three, four = read_image(paths[1]), ImageBuffer().read(paths[1])
    np.testing.assert_array_equal(warp(four, to_input, (48, 64)), warp(three, to_input, (48, 64)))
