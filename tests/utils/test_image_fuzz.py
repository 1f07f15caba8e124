"""Damaged pictures: an image of the size that the header tells, or an error that names the file."""

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image, stored_size

fuzz = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def drawn() -> npt.NDArray[np.uint8]:
    """A smooth picture with edges, 60 high and 80 wide."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)
    return np.asarray(cv2.circle(image, (40, 30), 20, (255, 90, 0), -1), np.uint8)


def encoded(suffix: str, image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], *options: int) -> bytes:
    """A file's content."""
    return bytes(cv2.imencode(suffix, image, options)[1].tobytes())


def turned() -> bytes:
    """A JPEG that its EXIF tag turns by a quarter."""
    exif, content = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(drawn()).save(content, "jpeg", exif=exif.tobytes())
    return content.getvalue()


SOUND = {
    "baseline.jpg": encoded(".jpg", drawn()),
    "progressive.jpg": encoded(".jpg", drawn(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "grey.jpg": encoded(".jpg", drawn()[..., 0]),
    "turned.jpg": turned(),
    "colour.png": encoded(".png", drawn()),
    "grey.png": encoded(".png", drawn()[..., 0]),
    "deep.png": encoded(".png", drawn().astype(np.uint16) * 257),
    "transparent.png": encoded(".png", np.dstack((drawn(), drawn()[..., :1]))),
}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A picture's name and its content with one to three things wrong."""
    name = draw(st.sampled_from(sorted(SOUND)))
    content = bytearray(SOUND[name])
    for _ in range(draw(st.integers(1, 3))):
        # half of the places are in the header, which is short
        place = draw(st.integers(0, min(len(content), 64)) | st.integers(0, len(content)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["flip", "flip", "cut off", "leave out", "put in", "zero", "append"])):
            case "flip" if place < len(content):
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "cut off":
                del content[place:]
            case "leave out":
                del content[place : place + length]
            case "put in":
                content[place:place] = draw(st.binary(max_size=8) | st.just(b"\xff\xd9") | st.just(b"\xff\xda"))
            case "zero":
                content[place : place + length] = bytes(len(content[place : place + length]))
            case "append":
                content += draw(st.binary(max_size=20))
    return name, bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def read_or_named(path: Path, apply_orientation: bool = False) -> npt.NDArray[np.uint8] | None:
    """The image, or None where an error names the file."""
    try:
        return read_image(path, apply_orientation)
    except ElifPoseError as error:
        if str(path) not in str(error):
            raise AssertionError(f"{error} does not name {path}") from error
        return None


@settings(fuzz, max_examples=100)
@given(st.data(), st.sampled_from([name for name in sorted(SOUND) if name.endswith("png")]))
def test_a_png_with_a_wrong_bit_is_an_error_or_harmless(folder: Path, data: st.DataObject, name: str) -> None:
    content = bytearray(SOUND[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "sound.png").write_bytes(SOUND[name])
    (folder / "wrong.png").write_bytes(content)
    image = read_or_named(folder / "wrong.png")
    if image is not None:
        np.testing.assert_array_equal(image, read_image(folder / "sound.png"))


@fuzz
@given(damaged(), st.booleans())
def test_an_image_of_the_stored_size_or_an_error_with_its_name(
    folder: Path, picture: tuple[str, bytes], apply_orientation: bool
) -> None:
    path = folder / picture[0]
    path.write_bytes(picture[1])
    size = stored_size(path)
    image = read_or_named(path, apply_orientation)
    if image is None:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    found = image.shape[1], image.shape[0]
    assert size in (found, found[::-1] if apply_orientation else None, None)
