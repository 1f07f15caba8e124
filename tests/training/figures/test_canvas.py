import numpy as np

from elifpose.structures import get_skeleton
from elifpose.training.figures.canvas import new_figure, pixels, side_color


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
