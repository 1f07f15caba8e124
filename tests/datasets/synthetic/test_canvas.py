import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.synthetic.camera import look
from elifpose.datasets.synthetic.canvas import Canvas, Light
from elifpose.datasets.synthetic.shapes import THING, Pattern, Shapes, Surface

Array = npt.NDArray[np.float64]
SIZE = (96, 80)
FOCAL = 100.0
CAMERA = look(SIZE, FOCAL, 1.0, 0.0)
LIGHT = Light(np.array([0.0, -1.0, 0.0]), 0.6, 0.3, 0.1)
RED, GREEN = Surface(0, 1, (200.0, 0.0, 0.0)), Surface(1, 2, (0.0, 200.0, 0.0))
AHEAD = np.array([0.0, 1.0, -4.0])


def drawn(shapes: Shapes) -> Canvas:
    canvas = Canvas(SIZE, CAMERA, LIGHT)
    canvas.draw(shapes)
    return canvas


def sphere(center: Array, radius: float, surface: Surface) -> Shapes:
    shapes = Shapes()
    shapes.cone(center, center, (radius, radius), surface)
    return shapes


def test_a_sphere_is_a_disc_of_its_size_and_depth() -> None:
    canvas = drawn(sphere(AHEAD, 0.8, RED))
    radius = FOCAL * 0.8 / 4
    assert np.count_nonzero(canvas.owners() == 0) == pytest.approx(np.pi * radius**2, rel=0.03)
    assert canvas.depth[40, 48] == pytest.approx(3.2, abs=0.01)
    assert np.isinf(canvas.depth[0, 0])
    assert canvas.owners()[0, 0] == -2


def test_light_from_above_shades_from_top_to_bottom() -> None:
    shade = drawn(sphere(AHEAD, 0.8, RED)).shade[:, 48]
    assert shade[25] > shade[40] > shade[55] > 0


def test_the_nearer_shape_hides_the_farther_in_any_order() -> None:
    near, far = (AHEAD - (0.0, 0.0, -1.0), 0.3, RED), (AHEAD, 0.6, GREEN)
    owners = []
    for order in ((near, far), (far, near)):
        shapes = Shapes()
        for center, radius, surface in order:
            shapes.cone(center, center, (radius, radius), surface)
        owners.append(drawn(shapes).owners())
    np.testing.assert_array_equal(owners[0], owners[1])
    assert owners[0][40, 48] == 0
    assert set(np.unique(owners[0])) == {-2, 0, 1}


@pytest.mark.parametrize("tilt", [-0.5, -0.2, 0.0, 0.2, 0.5])
def test_a_tilted_capsule_is_the_union_of_its_spheres(tilt: float) -> None:
    """Depths against spheres laid densely along the axis, as each is drawn correctly on its own."""
    start, end, radius = AHEAD - (0.4, 0.3, tilt), AHEAD + np.array([0.4, 0.3, tilt]), 0.2
    shapes, dense = Shapes(), Shapes()
    shapes.cone(start, end, (radius, radius), RED)
    for share in np.linspace(0, 1, 400):
        center = start + share * (end - start)
        dense.cone(center, center, (radius, radius), RED)
    ours, union = drawn(shapes).depth, drawn(dense).depth
    both = np.isfinite(ours) & np.isfinite(union)
    # The capsule is drawn with one scale from pixels to metres, hence not to the last pixel.
    assert np.count_nonzero(np.isfinite(ours) ^ np.isfinite(union)) < 0.1 * np.count_nonzero(both)
    assert np.median(np.abs(ours[both] - union[both])) < 0.1 * radius


def test_a_slab_has_the_depth_of_its_plane() -> None:
    corners = np.array([[-1.0, 0.0, -3.0], [1.0, 0.0, -5.0], [1.0, 2.0, -5.0], [-1.0, 2.0, -3.0]])
    shapes = Shapes()
    shapes.slab(corners, 0.0, RED)
    canvas = drawn(shapes)
    for column in (30, 48, 60):
        across = (column - 47.5) / FOCAL
        assert canvas.depth[40, column] == pytest.approx(4 / (1 - across), rel=1e-4)


def test_a_thick_slab_comes_towards_the_camera_from_both_sides() -> None:
    for mirror in (1.0, -1.0):
        corners = np.array([[-1.0, 0.0, -4.0], [1.0, 0.0, -4.0], [1.0, 2.0, -4.0], [-1.0, 2.0, -4.0]])
        shapes = Shapes()
        shapes.slab(corners * (mirror, 1, 1), 0.2, RED)
        assert drawn(shapes).depth[40, 48] == pytest.approx(3.8, rel=1e-5)


def test_what_is_behind_the_camera_or_outside_is_left_out() -> None:
    shapes = sphere(np.array([0.0, 1.0, 2.0]), 0.5, RED)
    shapes.cone(AHEAD - (30.0, 0.0, 0.0), AHEAD - (30.0, 0.0, 0.0), (0.5, 0.5), RED)
    shapes.box(np.array([0.0, 1.0, 3.0]), (1.0, 1.0, 1.0), 0.3, RED)
    canvas = drawn(shapes)
    assert canvas.surfaces == []
    assert np.isinf(canvas.depth).all()


def test_a_box_covers_its_outline() -> None:
    shapes = Shapes()
    shapes.box(AHEAD, (1.0, 0.8, 0.5), 0.0, Surface(THING, 0, (9.0, 9.0, 9.0)))
    canvas = drawn(shapes)
    front = FOCAL / 3.75  # pixels per metre; the filled polygon includes its border
    assert np.count_nonzero(canvas.owners() == THING) == pytest.approx((front + 1) * (front * 0.8 + 1), rel=0.03)
    assert canvas.depth[40, 48] == pytest.approx(3.75, rel=1e-4)


def test_paint_puts_colours_patterns_and_background() -> None:
    pattern = Pattern((0.0, 0.0, 250.0), np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([0.0, 0.0, 0.0]))
    corners = np.array([[-1.0, 0.0, -4.0], [1.0, 0.0, -4.0], [1.0, 2.0, -4.0], [-1.0, 2.0, -4.0]])
    shapes = Shapes()
    shapes.slab(corners, 0.0, Surface(0, 1, (250.0, 0.0, 0.0), pattern))
    background = np.full((SIZE[1], SIZE[0], 3), 77, dtype=np.uint8)
    picture = drawn(shapes).paint(background, np.ones((SIZE[1], SIZE[0]), dtype=np.float32))
    assert picture[2, 2].tolist() == [77, 77, 77]
    # 2 cycles per metre, 25 pixels per metre: blue for 0 < x < 0.25 m, red for 0.25 m < x < 0.5 m.
    assert picture[40, 51, 2] > 100
    assert picture[40, 51, 0] == 0
    assert picture[40, 57, 0] > 100
    assert picture[40, 57, 2] == 0
