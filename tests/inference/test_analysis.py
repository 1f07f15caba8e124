from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics import DEFAULT_MUSCLES, JointAngles
from elifpose.biomechanics.points import FloatArray
from elifpose.inference.analysis import Analysis, Settings, analyse
from elifpose.inference.keypoint_files import read_keypoints
from elifpose.inference.recording import Recording, Track
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

Recorded = tuple[Recording, Track]
INTERIOR = slice(10, -10)
FEET = [index for index, name in enumerate(HALPE26.keypoints) if name.endswith(("toe", "heel"))]
TRICEPS = ("gastrocnemius_medialis", "gastrocnemius_lateralis", "soleus", "tibialis_anterior")
SIDES = ("left", "right")


@pytest.fixture
def walking(reference: Path) -> Recorded:
    """180 frames of somebody who walks to the right, at 30 per second, without noise."""
    recording, (track,) = read_keypoints(reference / "sports2d_input_R_px.trc")
    return recording, track


def changed(track: Track, keypoints: FloatArray) -> Track:
    return track._replace(keypoints=keypoints)


def hidden(track: Track, points: list[int], frames: slice) -> Track:
    """The track with points of no score."""
    keypoints = track.keypoints.copy()
    keypoints[frames, points, 2] = 0.1
    return changed(track, keypoints)


def turned(track: Track, yaw_deg: float, height: float = 430.0) -> Track:
    """The track with shoulders as wide and feet as long as they appear from there (Winter 2009)."""
    keypoints = track.keypoints.copy()
    index = HALPE26.keypoints.index
    width = 0.259 * height * np.sin(np.radians(yaw_deg))
    keypoints[:, index("left_shoulder"), 0] -= width / 2
    keypoints[:, index("right_shoulder"), 0] += width / 2
    for side in SIDES:
        heel, toe = index(f"{side}_heel"), index(f"{side}_big_toe")
        foot = np.abs(keypoints[:, toe, 0] - keypoints[:, heel, 0])
        wanted = 0.152 * height * np.cos(np.radians(yaw_deg))
        keypoints[:, toe, 0] = keypoints[:, heel, 0] + np.minimum(foot, wanted)
    return changed(track, keypoints)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_angles_equal_those_of_sports2d_and_the_truth(reference: Path, letter: str) -> None:
    recording, (track,) = read_keypoints(reference / f"sports2d_input_{letter}_px.trc")
    found = analyse(recording, track, Settings())
    assert found.facing == (1 if letter == "R" else -1)
    lines = (reference / f"sports2d_angles_filtered_{letter}.mot").read_text().splitlines()
    start = lines.index("endheader") + 1
    names = lines[start].split("\t")
    sports2d = np.array([line.split("\t") for line in lines[start + 1 :]], dtype=np.float64)
    truth = np.genfromtxt(reference / f"sports2d_truth_{letter}.csv", delimiter=",", names=True)
    for side in SIDES:
        for joint, short in zip(JointAngles._fields, ("hip", "knee", "ank"), strict=True):
            ours = getattr(found.sides[side].angles, joint)
            expected = sports2d[:, names.index(f"{side} {joint}")]
            np.testing.assert_allclose(ours[INTERIOR], expected[INTERIOR], atol=0.05)
            np.testing.assert_allclose(getattr(found.sides[side].raw, joint), truth[side[0] + short], atol=1e-3)


def test_a_walk_has_strides_lengths_and_no_doubts(walking: Recorded) -> None:
    found = analyse(*walking, Settings(body_height_m=1.75))
    assert tuple(found.settings.muscles) == DEFAULT_MUSCLES
    assert found.warnings == (
        "the left leg is away from the camera, half hidden by the other: its values are less certain",
    )
    for leg in found.sides.values():
        assert set(np.diff(leg.strikes)) <= {29, 30, 31}  # a stride of one second
        assert (leg.reasons == "").all()
        medial = leg.muscles["gastrocnemius_medialis"]
        expected = 0.9 - 0.00062 * leg.angles.knee + 0.00214 * (90.0 + leg.angles.ankle)  # Hawkins & Hull 1990
        np.testing.assert_allclose(medial.normalised, expected, atol=1e-12)
        np.testing.assert_allclose(medial.percent, 100.0 * expected / 1.0926, atol=1e-9)
        assert found.pixels_per_metre is not None
        assert medial.metres is not None
        shank = 0.246 * 500 / found.pixels_per_metre  # the shank's length in the picture
        np.testing.assert_allclose(medial.metres / expected, shank, rtol=0.02)
        np.testing.assert_allclose(medial.velocity[1:-1], (medial.percent[2:] - medial.percent[:-2]) * 15.0)


def test_there_are_no_metres_without_a_height(walking: Recorded) -> None:
    found = analyse(*walking, Settings())
    assert found.pixels_per_metre is None
    assert all(curve.metres is None for leg in found.sides.values() for curve in leg.muscles.values())


def test_unseen_feet_empty_what_needs_them_only(walking: Recorded) -> None:
    recording, track = walking
    keypoints = track.keypoints.copy()
    keypoints[:, FEET, 2] = 0.0
    keypoints[:, HALPE26.keypoints.index("nose"), 0] += 30.0
    found = analyse(recording, changed(track, keypoints), Settings(body_height_m=None))
    whole = analyse(*walking, Settings())
    for side, leg in found.sides.items():
        assert set(leg.reasons) == {"foot not seen"}
        assert any(side in sentence and "ankle" in sentence for sentence in found.warnings)
        np.testing.assert_allclose(leg.angles.knee, whole.sides[side].angles.knee)
        for muscle, curve in leg.muscles.items():
            if muscle in TRICEPS:
                assert np.isnan(curve.percent).all()
            else:
                np.testing.assert_allclose(curve.percent, whole.sides[side].muscles[muscle].percent)


def test_short_gaps_are_filled_and_long_ones_have_a_reason(walking: Recorded) -> None:
    recording, track = walking
    knee = HALPE26.keypoints.index("left_knee")
    found = analyse(recording, hidden(hidden(track, [knee], slice(50, 56)), [knee], slice(80, 87)), Settings())
    leg = found.sides["left"]
    assert np.isfinite(leg.angles.knee[50:56]).all()
    assert np.isnan(leg.angles.knee[80:87]).all()
    assert np.isnan(leg.muscles["soleus"].percent[80:87]).all()
    assert set(leg.reasons[80:87]) == {"leg not seen, gap longer than 0.2 s"}
    assert "" in leg.reasons[60:80]
    assert np.isfinite(leg.angles.knee[:80]).all()
    assert (found.sides["right"].reasons == "").all()


def test_what_is_not_seen_at_an_end_is_no_gap(walking: Recorded) -> None:
    recording, track = walking
    found = analyse(recording, hidden(track, FEET, slice(0, 5)), Settings())
    assert set(found.sides["right"].reasons[:5]) == {"foot not seen"}


def test_exchanged_legs_are_put_back_and_flagged(walking: Recorded) -> None:
    recording, track = walking
    keypoints = track.keypoints.copy()
    legs = [[i for i, n in enumerate(HALPE26.keypoints) if n.startswith(side) and i > 10] for side in SIDES]
    keypoints[40:50, legs[0] + legs[1]] = keypoints[40:50, legs[1] + legs[0]]
    found = analyse(recording, changed(track, keypoints), Settings())
    assert np.flatnonzero(found.swapped).tolist() == list(range(40, 50))
    assert all("legs exchanged and put back" in text for text in found.sides["left"].reasons[40:50])
    assert any("exchanged in 10 frames" in sentence for sentence in found.warnings)
    np.testing.assert_allclose(
        found.sides["left"].angles.knee, analyse(*walking, Settings()).sides["left"].angles.knee, atol=1e-9
    )


def test_a_leg_of_another_length_and_an_ankle_beyond_the_model_are_flagged(walking: Recorded) -> None:
    recording, track = walking
    keypoints = track.keypoints.copy()
    index = HALPE26.keypoints.index
    keypoints[100, index("right_knee"), 1] -= 60
    keypoints[90:120, index("left_big_toe")] = keypoints[90:120, index("left_knee")] + (20, 0, 0)
    found = analyse(recording, changed(track, keypoints), Settings())
    assert "segment length off by more than 15 %" in found.sides["right"].reasons[100]
    assert "ankle beyond the model's stated range" in found.sides["left"].reasons[105]


@pytest.mark.parametrize(("yaw", "warned"), [(10.0, False), (30.0, True)])
def test_a_view_off_side_on_is_warned_of(walking: Recorded, yaw: float, warned: bool) -> None:
    found = analyse(walking[0], turned(walking[1], yaw), Settings())
    assert abs(found.yaw_deg - yaw) < 8
    assert any("from side-on" in sentence for sentence in found.warnings) == warned


def test_a_view_from_the_front_is_refused_unless_forced(walking: Recorded) -> None:
    track = turned(walking[1], 70.0)
    with pytest.raises(ElifPoseError, match="film from the side"):
        analyse(walking[0], track, Settings())
    assert analyse(walking[0], track, Settings(force=True)).yaw_deg > 45


def test_somebody_who_turns_round_is_told(walking: Recorded) -> None:
    recording, track = walking
    keypoints = track.keypoints.copy()
    keypoints[120:, :, 0] = 2000.0 - keypoints[120:, :, 0]
    found = analyse(recording, changed(track, keypoints), Settings())
    assert "feet point the other way" in found.sides["left"].reasons[150]
    assert any("point the other way in 33 %" in sentence for sentence in found.warnings)


def test_what_no_leg_can_do_is_told_and_stays(walking: Recorded) -> None:
    """Heels and toes are exchanged, so that knees seem to bend forwards."""
    recording, track = walking
    index, keypoints = HALPE26.keypoints.index, track.keypoints.copy()
    for side in SIDES:
        ends = [index(f"{side}_heel"), index(f"{side}_big_toe")]
        keypoints[:, ends] = keypoints[:, ends[::-1]]
    found = analyse(recording, changed(track, keypoints), Settings())
    for side, leg in found.sides.items():
        (sentence,) = [told for told in found.warnings if told.startswith(f"{side} leg outside what a joint can do")]
        share = 100 * (leg.angles.knee < -30).mean()
        assert share > 10
        assert f"knee (−30° to 165°) in {share:.0f} %" in sentence
        np.testing.assert_allclose(leg.angles.knee, -analyse(*walking, Settings()).sides[side].angles.knee, atol=1e-9)


def cut(recording: Recording, track: Track, frames: int, fps: float) -> Recorded:
    part = Track(0, track.keypoints[:frames], np.arange(frames) / fps, track.boxes[:frames])
    return recording._replace(fps=fps, frames=frames), part


@pytest.mark.parametrize(("frames", "fps"), [(1, 30.0), (9, 30.0), (180, 10.0)])
def test_too_few_frames_or_too_slow_are_not_filtered(walking: Recorded, frames: int, fps: float) -> None:
    found = analyse(*cut(*walking, frames, fps), Settings())
    for leg in found.sides.values():
        np.testing.assert_array_equal(leg.angles, leg.raw)
        assert not len(leg.strikes)
        assert all(("too short" in reason) == (frames < 10) for reason in leg.reasons)
    assert any("not filtered" in sentence for sentence in found.warnings)


def test_a_stretch_of_standing_becomes_the_neutral_length(walking: Recorded) -> None:
    found = analyse(*walking, Settings(neutral_s=(1.0, 2.0)))
    window = (walking[1].times_s >= 1.0) & (walking[1].times_s <= 2.0)
    for leg in found.sides.values():
        for curve in leg.muscles.values():
            assert np.median(curve.percent[window]) == pytest.approx(100.0)


def test_grieve_has_its_own_muscles_and_metres(walking: Recorded) -> None:
    """Both models agree on the length of the soleus within 3 % of it."""
    grieve, hawkins = (
        analyse(*walking, Settings(body_height_m=1.75, model=model)).sides["right"].muscles
        for model in ("grieve_1978", "hawkins_hull_1990")
    )
    assert set(grieve) == {"gastrocnemius", "soleus"}
    ours, theirs = grieve["soleus"].metres, hawkins["soleus"].metres
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours, theirs, rtol=0.03)


def test_a_muscle_that_is_named_twice_counts_once(walking: Recorded) -> None:
    found = analyse(*walking, Settings(muscles=("soleus", "iliopsoas", "soleus")))
    assert found.settings.muscles == tuple(found.sides["left"].muscles) == ("soleus", "iliopsoas")


def test_one_side_only_is_analysed_when_asked(walking: Recorded) -> None:
    found: Analysis = analyse(*walking, Settings(sides=("right",)))
    assert list(found.sides) == ["right"]
    assert not found.warnings  # of the far leg


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(sides=()), "sides are left, right or both"),
        (Settings(sides=("middle",)), "not middle"),
        (Settings(muscles=("gluteus",)), "no muscle 'gluteus'"),
        (Settings(model="visser"), "no muscle-tendon model"),
        (Settings(cutoff_hz=0.0), "cutoff_hz"),
        (Settings(min_score=1.5), "min_score"),
        (Settings(max_gap_s=-1.0), "max_gap_s"),
        (Settings(neutral_s=(2.0, 1.0)), "neutral standing"),
        (Settings(neutral_s=(20.0, 21.0)), "neutral standing"),
        (Settings(body_height_m=175.0), "no person's in metres"),
    ],
)
def test_settings_out_of_range_are_refused(walking: Recorded, settings: Settings, message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        analyse(*walking, settings)


def test_nobody_seen_is_refused(walking: Recorded) -> None:
    recording, track = walking
    with pytest.raises(ElifPoseError, match="no frame shows hip and knee of person 0"):
        analyse(recording, changed(track, np.full_like(track.keypoints, np.nan)), Settings())
    with pytest.raises(ElifPoseError, match="no frame shows"):
        analyse(*cut(recording, track, 0, 30.0), Settings())


def test_real_keypoints_of_one_leg_balance_are_analysed_when_forced(shared: Path) -> None:
    recording, (track,) = read_keypoints(shared / "samples/gait_cam03/halpe26_keypoints.json", fps=60.0)
    with pytest.raises(ElifPoseError, match="47° from side-on"):
        analyse(recording, track, Settings())
    found = analyse(recording, track, Settings(force=True, body_height_m=1.75))
    for leg in found.sides.values():
        assert all(np.isfinite(angle).all() for angle in leg.angles)
        assert not len(leg.strikes)
        assert leg.angles.knee.min() > 0
        assert leg.angles.knee.max() < 100
