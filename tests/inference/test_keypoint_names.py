from pathlib import Path

import numpy as np
import pytest

from elifpose.inference.keypoint_names import add_middles, marker_name, places_by_name
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

LEG = ["RHip", "RKnee", "RAnkle"]


def test_all_names_are_found_again() -> None:
    every = {index: index for index in range(26)}
    for names in (HALPE26.keypoints, [marker_name(name) for name in HALPE26.keypoints]):
        assert places_by_name(Path("x"), [name.upper() for name in names]) == every


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("MidHip", "hip"),
        ("pelvis", "hip"),
        ("head_top", "head"),
        ("upper_neck", "neck"),
        ("R_Small Toe", "right_small_toe"),
    ],
)
def test_other_names_are_known(name: str, point: str) -> None:
    assert places_by_name(Path("x"), [*LEG, "C7", name]) == {
        0: 12,
        1: 14,
        2: 16,
        4: HALPE26.keypoints.index(point),
    }


def test_half_of_each_leg_is_no_leg() -> None:
    with pytest.raises(ElifPoseError, match=r"no leg's hip, knee and ankle.*RBigToe"):
        places_by_name(Path("x"), ["RHip", "RKnee", "LAnkle"])


def test_middles_are_added_where_a_file_has_none_only() -> None:
    keypoints = np.random.default_rng(0).uniform(0, 100, (4, 26, 3))
    keypoints[1, 5, :2] = np.nan
    before = keypoints.copy()
    everything = {index: index for index in range(26)}
    assert not add_middles([keypoints], everything)
    np.testing.assert_array_equal(keypoints, before)
    del everything[HALPE26.keypoints.index("neck")]
    (sentence,) = add_middles([keypoints], everything)
    assert sentence.startswith("the file has no neck")
    np.testing.assert_allclose(keypoints[:, 18, :2], before[:, [5, 6], :2].mean(axis=1))
    np.testing.assert_array_equal(keypoints[:, 18, 2], before[:, [5, 6], 2].min(axis=1))  # as sure as the less sure
    np.testing.assert_array_equal(keypoints[:, 19], before[:, 19])
