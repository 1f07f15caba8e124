import numpy as np

from elifpose.datasets.synthetic.appearance import GROUPS, draw_look, dress
from elifpose.datasets.synthetic.body import LANDMARKS, SEGMENT_OFFSETS, SEGMENTS, place
from elifpose.datasets.synthetic.shapes import Shapes

BODY = place(np.tile(np.eye(3), (len(SEGMENTS), 1, 1)), SEGMENT_OFFSETS, 1.75, (True, True))


def dressed(seed: int, girth: float | None = None) -> Shapes:
    look = draw_look(np.random.default_rng(seed))
    shapes = Shapes()
    dress(shapes, BODY.landmarks, look if girth is None else look._replace(girth=girth), 4)
    return shapes


def test_every_part_of_the_body_is_drawn_and_owned() -> None:
    surfaces = dressed(0).surfaces
    assert {surface.owner for surface in surfaces} == {4}
    groups = {GROUPS[surface.group] for surface in surfaces}
    assert groups >= set(GROUPS) - {"thing", "hair"}


def test_limbs_lie_on_their_own_side() -> None:
    shapes = dressed(1)
    for surface, (start, end) in zip(shapes.surfaces, shapes.cone_ends(), strict=True):
        side = GROUPS[surface.group].split("_")[0]
        if side in ("left", "right"):
            assert (start[0] + end[0]) * (1 if side == "left" else -1) > 0


def test_a_heavier_build_widens_the_trunk_but_not_the_head() -> None:
    slim, heavy = dressed(2, 0.85).cone_radii(), dressed(2, 1.25).cone_radii()
    groups = np.array([GROUPS[surface.group] for surface in dressed(2).surfaces])
    np.testing.assert_allclose(heavy[groups == "torso"], slim[groups == "torso"] * 1.25 / 0.85)
    np.testing.assert_array_equal(heavy[groups == "head"], slim[groups == "head"])


def test_clothes_vary() -> None:
    looks = [draw_look(np.random.default_rng(seed)) for seed in range(100)]
    bare_arms = np.mean([look.colors["lower_sleeve"] == look.colors["skin"] for look in looks])
    bare_legs = np.mean([look.colors["lower_leg"] == look.colors["skin"] for look in looks])
    patterned = np.mean([max(look.wave_top) > 0 for look in looks])
    assert 0.35 < bare_arms < 0.75
    assert 0.2 < bare_legs < 0.6
    assert 0.2 < patterned < 0.55
    assert len({look.parts for look in looks}) > 10


def test_a_pattern_runs_along_the_trunk() -> None:
    seed = next(seed for seed in range(100) if draw_look(np.random.default_rng(seed)).wave_top[0] > 0)
    patterns = [surface.pattern for surface in dressed(seed).surfaces if GROUPS[surface.group] == "torso"]
    pattern = next(pattern for pattern in patterns if pattern is not None)
    up = BODY.landmarks[LANDMARKS["spine_top"]] - BODY.landmarks[LANDMARKS["hip"]]
    assert abs(pattern.waves[0] @ up) > 0.99 * np.linalg.norm(pattern.waves[0]) * np.linalg.norm(up)
