import numpy as np
import pytest

from elifpose.datasets.synthetic.body import (
    KEYPOINT_ROWS,
    LANDMARKS,
    PARENTS,
    SEGMENT_OFFSETS,
    SEGMENTS,
    SOLE_DEPTH,
    PosedBody,
    draw_proportions,
    place,
)
from elifpose.datasets.synthetic.poses import draw_pose
from elifpose.structures.skeletons import HALPE26

# Fractions of stature, Winter figure 4.1; not read from the package.
LITERATURE = {
    ("shoulder", "elbow"): 0.186,
    ("elbow", "wrist"): 0.146,
    ("hip", "knee"): 0.245,
    ("knee", "ankle"): 0.246,
}


def upright(stature: float = 1.0) -> PosedBody:
    return place(np.tile(np.eye(3), (len(SEGMENTS), 1, 1)), SEGMENT_OFFSETS, stature, (True, True))


def point(body: PosedBody, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(body.landmarks[LANDMARKS[name]])


@pytest.mark.parametrize("seed", range(6))
def test_limb_lengths_are_the_proportions_in_any_pose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = draw_pose(rng)
    body = place(pose.rotations, SEGMENT_OFFSETS, 1.8, pose.flat_feet)
    for (start, end), fraction in LITERATURE.items():
        for side in ("left_", "right_"):
            length = np.linalg.norm(point(body, side + end) - point(body, side + start))
            assert length == pytest.approx(1.8 * fraction)


def test_heights_of_an_upright_body() -> None:
    body = upright()
    assert point(body, "head")[1] == pytest.approx(1.0, abs=0.01)
    assert point(body, "left_eye")[1] == pytest.approx(0.936, abs=0.01)
    assert point(body, "left_shoulder")[1] == pytest.approx(0.818, abs=0.02)
    assert point(body, "left_hip")[1] == pytest.approx(0.530, abs=0.01)
    assert point(body, "left_knee")[1] == pytest.approx(0.285, abs=0.01)
    assert point(body, "left_big_toe")[2] - point(body, "left_heel")[2] == pytest.approx(0.152, abs=0.01)


def test_sides_mirror_and_left_is_left() -> None:
    body = upright()
    mirrored = body.landmarks[KEYPOINT_ROWS][list(HALPE26.flip_indices)] * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(mirrored, body.landmarks[KEYPOINT_ROWS], atol=1e-12)
    assert point(body, "left_shoulder")[0] > 0.1
    assert point(body, "nose")[2] > point(body, "left_ear")[2] + 0.05


def test_big_toes_lie_inside_small_ones() -> None:
    body = upright()
    for side, sign in (("left", 1), ("right", -1)):
        assert sign * point(body, f"{side}_big_toe")[0] < sign * point(body, f"{side}_small_toe")[0]


@pytest.mark.parametrize("seed", range(8))
def test_a_body_stands_on_the_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = draw_pose(rng)
    body = place(pose.rotations, draw_proportions(rng), 1.7, pose.flat_feet)
    heights = body.landmarks[KEYPOINT_ROWS][:, 1]
    assert heights.min() == pytest.approx(1.7 * SOLE_DEPTH, abs=0.02)
    for side, flat in zip(("left", "right"), pose.flat_feet, strict=True):
        if flat:
            assert abs(point(body, f"{side}_big_toe")[1] - point(body, f"{side}_heel")[1]) < 0.01


def test_parents_come_first() -> None:
    assert PARENTS[0] == -1
    assert all(0 <= parent < row for row, parent in enumerate(PARENTS) if row)


def test_proportions_vary_but_stay_symmetric() -> None:
    first, second = (draw_proportions(np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.allclose(first, second)
    left, right = (first[SEGMENTS.index(f"{side}_shank")] for side in ("left", "right"))
    np.testing.assert_allclose(left, right * (-1, 1, 1))
    assert np.all(np.abs(first - SEGMENT_OFFSETS) <= 0.0901 * np.abs(SEGMENT_OFFSETS) + 1e-12)
