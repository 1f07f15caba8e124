import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image, stored_size


@pytest.fixture
def colours() -> Image.Image:
    """Eight by four blocks of strong colours, 80 × 40 pixels: no two quadrants look alike."""
    blocks = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks.repeat(10, axis=0).repeat(10, axis=1))


def test_png_is_read_exactly_and_as_rgb(tmp_path: Path, colours: Image.Image) -> None:
    colours.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(colours))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_other_colour_models_become_rgb(tmp_path: Path, colours: Image.Image, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    changed = colours.convert(mode)
    changed.save(path, quality=100, subsampling=0)
    image = read_image(path)
    assert image.shape == (40, 80, 3)
    assert image.dtype == np.uint8
    expected = np.asarray(Image.open(path).convert("RGB"), dtype=np.int64)
    assert np.abs(image - expected).mean() < 1.5


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16).repeat(4, axis=0)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[0, :, 0].astype(int), [0, 1, 128, 255], atol=1)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation_is_ignored_unless_asked_for(tmp_path: Path, colours: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    colours.save(path, quality=95, exif=exif.tobytes())
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}[orientation]
    stored = np.asarray(Image.open(path).convert("RGB"), dtype=np.int64)
    assert np.abs(read_image(path) - stored).mean() < 2
    upright = np.asarray(Image.open(path).convert("RGB").transpose(turned), dtype=np.int64)
    assert np.abs(read_image(path, apply_orientation=True) - upright).mean() < 2
    assert stored_size(path) == (80, 40)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
def test_a_cut_off_file_is_an_error(tmp_path: Path, suffix: str, part: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    thumbnail = io.BytesIO()
    Image.fromarray(noise[:8, :8]).save(thumbnail, "jpeg")
    exif = b"Exif\0\0" + thumbnail.getvalue() if suffix == "jpg" else Image.Exif()
    Image.fromarray(noise).save(path, exif=exif)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ElifPoseError, match=f"{path} .*"):
        read_image(path)


def test_bytes_after_the_end_are_allowed(tmp_path: Path, colours: Image.Image) -> None:
    for path in (tmp_path / "a.jpg", tmp_path / "a.png"):
        colours.save(path)
        whole = read_image(path)
        path.write_bytes(path.read_bytes() + b"camera maker's data")
        np.testing.assert_array_equal(read_image(path), whole)


def test_what_is_no_image_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("404 not found")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("missing.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    for name in ("text.jpg", "empty.jpg", "folder.jpg", "missing.jpg", "dangling.jpg", "circle.jpg"):
        with pytest.raises(ElifPoseError, match=name):
            read_image(tmp_path / name)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("header", [0, 3000])
def test_stored_size_of_jpeg(tmp_path: Path, colours: Image.Image, progressive: bool, header: int) -> None:
    colours.save(tmp_path / "a.jpg", progressive=progressive, exif=b"Exif\0\0" + b"x" * header)
    assert stored_size(tmp_path / "a.jpg") == (80, 40)


def test_stored_size_of_others(tmp_path: Path, colours: Image.Image) -> None:
    colours.save(tmp_path / "a.png")
    colours.save(tmp_path / "a.bmp")
    assert stored_size(tmp_path / "a.png") == (80, 40)
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    assert stored_size(tmp_path / "cut.png") is None
    assert stored_size(tmp_path / "a.bmp") is None
    assert stored_size(tmp_path / "missing.png") is None
