"""Exchanged sides: on a drawn figure, told by eye, and on posed bodies of any heading, whose sides are right."""

import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.synthetic.body import KEYPOINT_ROWS
from elifpose.datasets.synthetic.scene import draw_stage
from elifpose.datasets.verification.sides import body_size, bone_lengths, find_exchanged_sides
from elifpose.structures.skeletons import COCO17, HALPE26

SIZE = (256, 256)
FACING = {  # somebody who faces the viewer, upright, in units of the trunk; y points down
    "nose": (0, -0.5),
    "left_eye": (0.06, -0.56),
    "left_ear": (0.14, -0.54),
    "left_shoulder": (0.35, 0.0),
    "left_elbow": (0.5, 0.55),
    "left_wrist": (0.55, 1.0),
    "left_hip": (0.17, 1.0),
    "left_knee": (0.18, 1.8),
    "left_ankle": (0.18, 2.6),
}


def facing() -> npt.NDArray[np.float64]:
    """``(1, 17, 2)``: the figure, 100 pixels to the trunk."""
    mirrored = {name.replace("left_", "right_"): (-x, y) for name, (x, y) in FACING.items()}
    points = np.array([(mirrored | FACING)[name] for name in COCO17.keypoints])
    return 100 * points[None] + 300


def exchange(points: npt.NDArray[np.float64], *parts: str) -> npt.NDArray[np.float64]:
    skeleton = COCO17 if points.shape[1] == 17 else HALPE26
    order = list(range(points.shape[1]))
    for part in parts:
        left, right = (skeleton.index(f"{side}_{part}") for side in ("left", "right"))
        order[left], order[right] = right, left
    return points[:, order]


def suspected(points: npt.NDArray[np.float64], visibility: npt.NDArray[np.uint8] | int = 2) -> npt.NDArray[np.bool_]:
    skeleton = COCO17 if points.shape[1] == 17 else HALPE26
    seen = np.broadcast_to(np.asarray(visibility, np.uint8), points.shape[:2])
    found = [test.suspected for test in find_exchanged_sides(points, seen, skeleton)]
    return np.asarray(np.any(found, axis=0))


@pytest.fixture(scope="module")
def posed() -> npt.NDArray[np.float64]:
    """``(N, 26, 2)``: keypoints of several hundred posed bodies, from other draws than the thresholds were set on."""
    stages = [draw_stage(np.random.default_rng(seed), SIZE) for seed in range(10_000, 10_250)]
    people = [
        stage.camera.project(stage.camera.to_camera(actor.landmarks[KEYPOINT_ROWS]))
        for stage in stages
        for actor in stage.actors
    ]
    assert len(people) > 350
    return np.array(people)


def test_an_upright_figure_is_right_from_either_side_and_upside_down() -> None:
    figure = facing()
    turned_away = figure * (-1, 1) + (600, 0)
    turned_away[:, :5] = figure[:, :5]  # looks back over the shoulder: only then the face is mirrored
    assert not suspected(figure).any()
    assert not suspected(figure * (-1, -1)).any()
    assert not suspected(figure * (-1, 1), np.where(np.arange(17) < 5, 0, 2)).any()


@pytest.mark.parametrize(
    "parts",
    [
        ("eye",),
        ("ear",),
        ("eye", "ear"),
        ("shoulder",),
        ("elbow",),
        ("wrist",),
        ("hip",),
        ("knee",),
        ("shoulder", "elbow", "wrist"),
        ("elbow", "wrist"),
        ("hip", "knee", "ankle"),
        ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    ],
)
def test_any_part_exchanged_in_an_upright_figure_is_suspected(parts: tuple[str, ...]) -> None:
    wide = facing()
    wide[:, [COCO17.index("left_knee"), COCO17.index("left_ankle")], 0] += 20
    wide[:, [COCO17.index("right_knee"), COCO17.index("right_ankle")], 0] -= 20
    assert not suspected(wide).any()
    assert suspected(exchange(wide, *parts)).all()


def test_a_figure_of_any_scale_and_place_gets_the_same_answer() -> None:
    for points in (facing(), exchange(facing(), "shoulder")):
        assert suspected(0.01 * points - 77).tolist() == suspected(points).tolist()


def test_sitting_cross_legged_is_no_exchange() -> None:
    sitting = facing()
    for side, sign in (("left", 1), ("right", -1)):
        sitting[:, COCO17.index(f"{side}_knee")] = (300 + sign * 65, 420)
        sitting[:, COCO17.index(f"{side}_ankle")] = (300 - sign * 20, 430)
    assert not suspected(sitting).any()


def test_a_hidden_face_is_not_called_mirrored() -> None:
    mirrored = exchange(facing(), "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    assert suspected(mirrored).all()
    assert not suspected(mirrored, 1).any()  # somebody seen from behind


def test_who_has_no_pair_is_not_judged() -> None:
    visibility = np.array([[1 if name.startswith("left") else 0 for name in COCO17.keypoints]], np.uint8)
    tests = find_exchanged_sides(facing(), visibility, COCO17)
    assert tests
    assert not any(test.judged.any() or test.suspected.any() for test in tests)


def test_lengths_to_the_same_and_to_the_other_side() -> None:
    near, far = np.array([[[0.0, 0], [10, 0]]]), np.array([[[0.0, 5], [10, 7]]])
    straight, across = bone_lengths(near, far)
    np.testing.assert_allclose(straight, [[5, 7]])
    np.testing.assert_allclose(across, [[np.hypot(10, 7), np.hypot(10, 5)]])


def test_size_is_that_of_the_trunk_or_of_what_it_would_be_for_a_leg_that_is_seen() -> None:
    sides = {
        "shoulder": np.array([[[0.0, 0], [20, 0]]] * 3),
        "hip": np.array([[[0.0, 50], [20, 50]], [[0, 10], [20, 10]], [[np.nan, 0], [np.nan, 0]]]),
        "knee": np.array([[[0.0, 60], [20, 60]], [[0, 95], [20, 60]], [[0, 0], [0, 0]]]),
    }
    np.testing.assert_allclose(body_size(sides, 3), [50, 100, np.nan])  # a thigh is 0.85 of the trunk


def test_keypoints_at_one_place_tell_nothing_of_sides() -> None:
    points = np.full((1, 17, 2), 50.0)
    for part, x in (("eye", 2.0), ("ear", -2.0)):
        points[0, COCO17.index(f"left_{part}"), 0] += x
        points[0, COCO17.index(f"right_{part}"), 0] -= x
    assert not suspected(points).any()


def test_false_alarms_among_posed_bodies_are_below_one_percent(posed: npt.NDArray[np.float64]) -> None:
    assert suspected(posed, 1).mean() < 0.01
    assert suspected(posed[:, :17], 1).mean() < 0.01


@pytest.mark.parametrize(
    ("part", "least"),
    [
        ("ear", 0.7),
        ("shoulder", 0.65),
        ("elbow", 0.7),
        ("wrist", 0.7),
        ("hip", 0.55),
        ("knee", 0.45),
        ("ankle", 0.7),
        ("heel", 0.7),
    ],
)
def test_a_pair_exchanged_in_posed_bodies_is_mostly_suspected(
    posed: npt.NDArray[np.float64], part: str, least: float
) -> None:
    assert suspected(exchange(posed, part), 1).mean() > least
