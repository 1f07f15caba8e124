import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elifpose.datasets.crops.parted_jpeg import cut_part, encode
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray


def picture(height: int, width: int) -> ImageArray:
    """Blocks of colours: every part looks different from every other."""
    rng = np.random.default_rng((height, width))
    blocks = rng.integers(0, 256, (height // 5 + 1, width // 5 + 1, 3), dtype=np.uint8)
    return blocks.repeat(5, axis=0).repeat(5, axis=1)[:height, :width]


def opened(content: bytes) -> ImageArray:
    """As another program than OpenCV sees it."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_part_has_the_pixels_of_the_whole(data: st.DataObject) -> None:
    height, width = (data.draw(st.integers(1, 200)) for _ in range(2))
    left, right = sorted(data.draw(st.integers(0, width - 1)) for _ in range(2))
    top, bottom = sorted(data.draw(st.integers(0, height - 1)) for _ in range(2))
    content = encode(picture(height, width))
    part = cut_part(content, left, top, right, bottom)
    seen = opened(part.content)[top - part.top : bottom - part.top + 1, left - part.left : right - part.left + 1]
    np.testing.assert_array_equal(seen, opened(content)[top : bottom + 1, left : right + 1])


def test_the_whole_is_the_picture_and_a_part_is_smaller() -> None:
    image = picture(330, 311)
    content = encode(image)
    assert np.abs(opened(content)[:, :311].astype(int) - image).mean() < 20  # blocks of 5 pixels, colours halved
    whole = cut_part(content, 0, 0, 310, 329)
    assert (whole.left, whole.top) == (0, 0)
    np.testing.assert_array_equal(opened(whole.content), opened(content))
    corner = opened(cut_part(content, 200, 250, 300, 320).content)
    assert corner.size < 0.4 * opened(content).size


@pytest.mark.parametrize("beyond", [(-50, -60, -20, -30), (400, 500, 450, 600), (-9, -9, 999, 999)])
def test_what_lies_beyond_the_picture_is_not_asked_for(beyond: tuple[int, int, int, int]) -> None:
    part = opened(cut_part(encode(picture(100, 90)), *beyond).content)
    assert part.shape[0] <= 100
    assert part.shape[1] <= 128


@pytest.mark.parametrize("harm", [lambda _: b"", lambda content: content[:700], lambda content: bytes(len(content))])
def test_what_is_not_made_of_pieces_is_refused(harm: "object") -> None:
    with pytest.raises(ElifPoseError, match="not made of pieces, or not whole"):
        cut_part(harm(encode(picture(60, 60))), 0, 0, 9, 9)  # type: ignore[operator]
