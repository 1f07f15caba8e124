import subprocess
import sys

import numpy as np
import pytest

from elifpose.biomechanics.points import POINTS, check_fps, checked_keypoints, nan_median
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError


def test_the_points_are_where_the_skeleton_has_them() -> None:
    assert {name: HALPE26.index(name) for name in POINTS} == POINTS


def test_the_folder_needs_numpy_alone() -> None:
    heavy = ["torch", "scipy", "cv2", "matplotlib", "lightning"]
    code = f"import elifpose.biomechanics, sys; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_point_with_half_a_coordinate_has_none(missing: float) -> None:
    keypoints = np.ones((2, 26, 3))
    keypoints[0, 3, 1] = missing
    checked = checked_keypoints(keypoints)
    assert np.isnan(checked[0, 3, :2]).all()
    assert np.isnan(checked).sum() == 2
    assert keypoints[0, 3, 0] == 1  # the caller's own array stays


@pytest.mark.parametrize("shape", [(4, 17, 3), (26, 3), (4, 26, 2)])
def test_another_shape_is_refused_in_words(shape: tuple[int, ...]) -> None:
    with pytest.raises(ElifPoseError, match=r"\(frames, 26, 3\)"):
        checked_keypoints(np.zeros(shape))


@pytest.mark.parametrize("fps", [0.0, -30.0, np.nan, np.inf])
def test_no_frame_rate_is_refused_in_words(fps: float) -> None:
    with pytest.raises(ElifPoseError, match="frame rate"):
        check_fps(fps)


def test_a_median_of_nothing_is_nan() -> None:
    assert np.isnan(nan_median(np.array([np.nan, np.nan])))
    assert nan_median(np.array([np.nan, 3.0, 1.0, 2.0])) == 2
