import numpy as np
import pytest

from elifpose.datasets.synthetic.shapes import THING, Shapes, Surface

GREY = Surface(THING, 0, (99.0, 99.0, 99.0))


def test_no_shapes_are_empty_arrays() -> None:
    shapes = Shapes()
    assert shapes.cone_ends().shape == (0, 2, 3)
    assert shapes.cone_radii().shape == (0, 2)


def test_cones_keep_their_order() -> None:
    shapes = Shapes()
    shapes.cone(np.zeros(3), np.ones(3), (0.1, 0.2), GREY)
    shapes.cones(np.full((2, 2, 3), 5.0), np.full((2, 2), 0.3), [GREY, GREY])
    assert shapes.cone_ends()[:, 1, 0].tolist() == [1.0, 5.0, 5.0]
    assert shapes.cone_radii()[:, 1].tolist() == [0.2, 0.3, 0.3]
    assert len(shapes.surfaces) == 3


def test_a_box_has_six_faces_of_its_size_with_upright_edges() -> None:
    shapes = Shapes()
    shapes.box(np.array([1.0, 2.0, 3.0]), (0.4, 0.6, 0.8), 0.7, GREY)
    assert len(shapes.slabs) == 6
    areas = []
    for slab in shapes.slabs:
        areas.append(np.linalg.norm(np.cross(slab.corners[1] - slab.corners[0], slab.corners[3] - slab.corners[0])))
        np.testing.assert_allclose(slab.corners[0] + slab.corners[2], slab.corners[1] + slab.corners[3])
    assert sum(areas) == pytest.approx(2 * (0.4 * 0.6 + 0.6 * 0.8 + 0.4 * 0.8))
    corners = np.concatenate([slab.corners for slab in shapes.slabs])
    np.testing.assert_allclose(corners.mean(axis=0), (1.0, 2.0, 3.0))
    assert np.ptp(corners[:, 1]) == pytest.approx(0.6)
    # The box's own x axis points where yaw turns the world's: towards −z for positive angles.
    far = corners[np.argmax(corners @ (np.cos(0.7), 0.0, -np.sin(0.7)))]
    assert (far - (1.0, 2.0, 3.0)) @ (np.cos(0.7), 0.0, -np.sin(0.7)) == pytest.approx(0.2)
