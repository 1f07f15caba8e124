from pathlib import Path

import numpy as np
import pytest

from elifpose.structures import get_skeleton
from elifpose.utils.drawing import check_picture_path, crop_grid, new_figure, pixels, save_figure, side_color
from elifpose.utils.errors import ElifPoseError


def test_sides_have_the_colours_of_the_skeletons_links() -> None:
    for link in get_skeleton("halpe26").links:
        sides = {name.split("_")[0] for name in link[:2]} & {"left", "right"}
        one_sided = sides.pop() if len(sides) == 1 else "middle"
        assert np.allclose(np.array(link.color) / 255, side_color(one_sided)), link


def test_pixels_are_rgb_at_a_hundred_dots_per_inch() -> None:
    figure = new_figure(2.0, 1.0, arranged=False)
    figure.patch.set_facecolor((1.0, 0.0, 0.2))
    shown = pixels(figure)
    assert shown.shape == (100, 200, 3)
    assert shown.dtype == np.uint8
    assert (shown == (255, 0, 51)).all()


def test_crops_keep_their_shape_and_leave_the_header_free() -> None:
    figure, axes = crop_grid(5, 3, cell_width=2.0, aspect=4 / 3, title_lines=2, header=0.5)
    width, height = figure.get_size_inches()
    boxes = [axis.get_position() for axis in axes]
    assert width == 6.0
    for box in boxes:
        assert box.height * height == pytest.approx(4 / 3 * box.width * width)
    assert 1 - max(box.y1 for box in boxes) > 0.5 / height
    assert [round(box.x0, 6) for box in boxes[:2]] == [round(box.x0, 6) for box in boxes[3:]]
    assert boxes[3].y1 < boxes[0].y0


def test_a_figure_is_written_where_there_was_no_folder(tmp_path: Path) -> None:
    save_figure(new_figure(1.0, 1.0), tmp_path / "not" / "there" / "figure.png")
    assert (tmp_path / "not/there/figure.png").read_bytes().startswith(b"\x89PNG")


def test_where_no_figure_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ElifPoseError, match="cannot be written"):
        save_figure(new_figure(1.0, 1.0), tmp_path / "file" / "figure.png")
    with pytest.raises(ElifPoseError, match=r"does not end in \.png"):
        check_picture_path(tmp_path / "figure.jpg")
