"""True keypoints of rendered people to angles: what comes out is what the bodies were posed by."""

from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics import mtu_length, relative_length
from elifpose.datasets.synthetic.motion import Clip, Facing, perform, write_clip
from elifpose.datasets.synthetic.motion_curves import MOTIONS
from elifpose.inference.analysis import Analysis, Settings, analyse
from elifpose.inference.keypoint_files import read_keypoints
from elifpose.inference.recording import Recording, Track


def analysed(clip: Clip) -> Analysis:
    """Analysis of a clip's true keypoints."""
    shown = perform(clip)
    keypoints = np.concatenate((shown.keypoints, np.ones((len(shown.times_s), 26, 1))), axis=-1)
    low, high = shown.keypoints.min(axis=1), shown.keypoints.max(axis=1)
    track = Track(0, keypoints, shown.times_s, np.concatenate((low, high - low), axis=1))
    return analyse(Recording(clip.motion, clip.fps, clip.size, len(keypoints)), track, Settings())


def errors(analysis: Analysis, clip: Clip) -> dict[str, float]:
    """Mean absolute error of each joint, the worse of both sides, degrees."""
    truth = perform(clip).angles
    return {
        joint: max(
            float(np.abs(getattr(leg.angles, joint) - getattr(truth[side], joint)).mean())
            for side, leg in analysis.sides.items()
        )
        for joint in ("hip", "knee", "ankle")
    }


@pytest.mark.parametrize("facing", ["left", "right"])
@pytest.mark.parametrize("motion", MOTIONS)
def test_side_on_angles_are_true_to_a_degree(motion: str, facing: Facing) -> None:
    clip = Clip(motion, seconds=4.0, size=(320, 240), facing=facing)
    analysis = analysed(clip)
    assert analysis.facing == (1 if facing == "right" else -1)
    assert not analysis.swapped.any()
    assert analysis.yaw_deg < 3
    assert not any("outside what a joint can do" in told for told in analysis.warnings)
    error = errors(analysis, clip)
    assert error["hip"] < 0.1
    assert error["knee"] < 0.2
    assert error["ankle"] < 0.8  # perspective: the big toe is nearer to the body's middle than the heel


def test_the_ankles_error_is_perspective() -> None:
    """Of both feet the mean is true: what the near foot's toe gains, the far one's loses."""
    clip = Clip("squat", seconds=3.0)
    analysis, truth = analysed(clip), perform(clip).angles
    differences = [analysis.sides[side].raw.ankle - truth[side].ankle for side in ("left", "right")]
    np.testing.assert_allclose(np.mean(differences, axis=0), 0.0, atol=0.05)


@pytest.mark.parametrize("motion", MOTIONS)
def test_errors_grow_with_the_yaw_and_the_yaw_is_told(motion: str) -> None:
    before = 0.0
    for yaw in (10.0, 20.0, 30.0):
        clip = Clip(motion, seconds=4.0, yaw=yaw)
        analysis = analysed(clip)
        assert analysis.yaw_deg == pytest.approx(yaw, abs=3.0)
        worst = max(errors(analysis, clip).values())
        assert before < worst < 0.25 * yaw
        before = worst


def test_lengths_of_muscles_are_true_to_a_third_of_a_percent() -> None:
    clip = Clip("walk", seconds=4.0)
    analysis, truth = analysed(clip), perform(clip).angles
    model = analysis.settings.model
    for side, leg in analysis.sides.items():
        for muscle, curve in leg.muscles.items():
            percent = relative_length(model, muscle, mtu_length(model, muscle, *truth[side]))
            assert np.abs(curve.percent - percent).mean() < 0.3


def test_the_file_of_keypoints_is_read_as_it_was_rendered(tmp_path: Path) -> None:
    clip = Clip("balance", seconds=0.3, fps=10.0, size=(64, 96))
    _, keypoints, _ = write_clip(tmp_path, clip)
    recording, tracks = read_keypoints(keypoints)
    assert (recording.fps, recording.image_size, recording.frames, recording.warnings) == (10.0, (64, 96), 3, ())
    np.testing.assert_allclose(tracks[0].keypoints[..., :2], perform(clip).keypoints, atol=6e-4)
    assert (tracks[0].keypoints[..., 2] == 1).all()
    np.testing.assert_allclose(tracks[0].times_s, (0.0, 0.1, 0.2), atol=1e-6)
