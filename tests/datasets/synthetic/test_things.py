import numpy as np
import pytest

from elifpose.datasets.synthetic.camera import look
from elifpose.datasets.synthetic.canvas import Canvas, Light
from elifpose.datasets.synthetic.shapes import THING, Shapes
from elifpose.datasets.synthetic.things import add_seat, add_thing


def drawn(shapes: Shapes) -> Canvas:
    canvas = Canvas((128, 128), look((128, 128), 130.0, 1.0, 0.1), Light(np.array([0.0, -1.0, 0.0]), 0.6, 0.3, 0.1))
    canvas.draw(shapes)
    return canvas


@pytest.mark.parametrize("seed", range(10))
def test_a_thing_shows_where_it_is_put_and_belongs_to_nobody(seed: int) -> None:
    shapes = Shapes()
    add_thing(np.random.default_rng(seed), shapes, np.array([0.0, 0.8, -3.0]), 0.6)
    canvas = drawn(shapes)
    seen = canvas.index >= 0
    assert 20 < np.count_nonzero(seen) < 0.5 * seen.size
    assert set(np.unique(canvas.owners()[seen])) == {THING}
    assert np.median(canvas.depth[seen]) == pytest.approx(3.0, abs=1.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_seat_reaches_from_the_ground_to_below_the_pelvis(seed: int) -> None:
    shapes = Shapes()
    pelvis = np.array([0.3, 0.55, -3.0])
    rng = np.random.default_rng(seed)
    add_seat(rng, shapes, pelvis, rng.uniform(-np.pi, np.pi), 1.7)
    faces = np.concatenate([slab.corners for slab in shapes.slabs[:6]])
    assert faces[:, 1].max() == pytest.approx(0.55 - 0.062 * 1.7)
    feet = np.concatenate((faces[:, 1], shapes.cone_ends()[..., 1].ravel()))
    assert feet.min() == pytest.approx(0.0, abs=1e-9)
    assert np.linalg.norm(faces[:, ::2].mean(axis=0) - pelvis[::2]) < 0.15
