import numpy as np
import pytest

from elifpose.datasets.synthetic.appearance import GROUPS
from elifpose.datasets.synthetic.visibility import keypoint_visibility
from elifpose.structures.skeletons import HALPE26

WRIST = HALPE26.index("left_wrist")


def wrist_flag(group: str, surface_depth: float, pixel: tuple[float, float] = (8.0, 6.0)) -> int:
    keypoints = np.tile(pixel, (26, 1)).astype(np.float64)
    depth_buffer = np.full((12, 16), surface_depth, dtype=np.float32)
    groups = np.full((12, 16), GROUPS.index(group), dtype=np.int32)
    return int(keypoint_visibility(keypoints, np.full(26, 3.0), depth_buffer, groups, 1.7)[WRIST])


@pytest.mark.parametrize(
    ("group", "depth", "flag"),
    [
        ("left_forearm", 2.97, 2),
        ("left_hand", 2.97, 2),
        ("right_hand", 2.97, 1),
        ("torso", 2.97, 1),
        ("thing", 2.97, 1),
        ("left_forearm", 2.5, 1),
    ],
)
def test_seen_only_behind_its_own_part_at_its_own_depth(group: str, depth: float, flag: int) -> None:
    assert wrist_flag(group, depth) == flag


@pytest.mark.parametrize("pixel", [(-0.6, 6.0), (15.6, 6.0), (8.0, -0.6), (8.0, 11.6)])
def test_outside_begins_half_a_pixel_off_the_border(pixel: tuple[float, float]) -> None:
    assert wrist_flag("left_hand", 2.97, pixel) == 0


@pytest.mark.parametrize("pixel", [(-0.4, 6.0), (15.4, 6.0), (8.0, -0.4), (8.0, 11.4)])
def test_the_outermost_pixels_are_inside(pixel: tuple[float, float]) -> None:
    assert wrist_flag("left_hand", 2.97, pixel) == 2


def test_behind_the_camera_is_outside() -> None:
    buffer = np.ones((12, 16), dtype=np.float32)
    flags = keypoint_visibility(np.full((26, 2), 5.0), np.full(26, -1.0), buffer, np.zeros((12, 16), np.int32), 1.7)
    assert not flags.any()
