import numpy as np
import pytest

from elifpose.biomechanics import JointAngles
from elifpose.biomechanics.points import POINTS, FloatArray
from elifpose.inference.reasons import frame_reasons, trial_warnings


def words(keypoints: FloatArray, ankle: float = 0.0, model: str = "hawkins_hull_1990") -> list[str]:
    flat = np.zeros(len(keypoints))
    angles = JointAngles(flat, flat, flat + ankle)
    never = np.zeros(len(keypoints), dtype=np.bool_)
    return [str(word) for word in frame_reasons(keypoints, "left", 1, angles, never, model, 0.2)]


def test_only_parts_of_the_side_that_is_asked_for_count(walk_keypoints: FloatArray) -> None:
    keypoints = walk_keypoints.copy()
    keypoints[5, POINTS["right_knee"], :2] = np.nan
    assert set(words(keypoints)) == {""}


@pytest.mark.parametrize(
    ("point", "part"),
    [("neck", "trunk"), ("hip", "trunk"), ("left_hip", "leg"), ("left_ankle", "leg"), ("left_heel", "foot")],
)
def test_the_missing_part_is_named(walk_keypoints: FloatArray, point: str, part: str) -> None:
    keypoints = walk_keypoints.copy()
    keypoints[20:30, POINTS[point], :2] = np.nan
    keypoints[170:, POINTS[point], :2] = np.nan
    found = words(keypoints)
    assert set(found[20:30]) == {f"{part} not seen, gap longer than 0.2 s"}
    assert set(found[170:]) == {f"{part} not seen"}
    assert set(found[30:170]) == {""}


def test_several_reasons_stand_side_by_side(walk_keypoints: FloatArray) -> None:
    keypoints = walk_keypoints.copy()
    keypoints[:, [POINTS["neck"], POINTS["left_heel"]], :2] = np.nan
    assert set(words(keypoints)) == {"trunk not seen; foot not seen"}


@pytest.mark.parametrize(
    ("ankle", "model", "beyond"), [(31, 0, True), (-31, 0, True), (29, 0, False), (40, 1, False)]
)
def test_the_ankle_is_beyond_what_a_model_says_of_itself(
    walk_keypoints: FloatArray, ankle: float, model: int, beyond: bool
) -> None:
    found = words(walk_keypoints, ankle, ("hawkins_hull_1990", "grieve_1978")[model])
    assert set(found) == {"ankle beyond the model's stated range" if beyond else ""}


STANDING = JointAngles(*np.zeros((3, 180)))


def warnings(keypoints: FloatArray, angles: JointAngles = STANDING, yaw_deg: float = 0.0) -> list[str]:
    """Of the right leg of somebody who faces to the right."""
    return trial_warnings(keypoints, {"right": angles}, yaw_deg, 1, np.zeros(180, dtype=np.bool_))


def test_the_far_leg_and_an_unknown_view_are_told(walk_keypoints: FloatArray) -> None:
    assert warnings(walk_keypoints) == []
    (sentence,) = warnings(walk_keypoints, yaw_deg=float("nan"))
    assert sentence.endswith("how far the view is from side-on cannot be told")
    never = np.zeros(180, dtype=np.bool_)
    legs = {"left": STANDING, "right": STANDING}
    assert "the left leg is away from the camera" in trial_warnings(walk_keypoints, legs, 0.0, 1, never)[0]
    assert "the right leg is away from the camera" in trial_warnings(walk_keypoints, legs, 0.0, -1, never)[0]


def test_what_is_rarely_known_is_one_sentence_of_a_leg(walk_keypoints: FloatArray) -> None:
    half, nothing = np.where(np.arange(180) % 36 < 18, 0.0, np.nan), np.full(180, np.nan)
    assert warnings(walk_keypoints, STANDING._replace(knee=half, ankle=nothing)) == [
        "right leg known in some frames only: knee in 50 %, ankle in 0 %; where points are not seen, the angle and "
        "the muscles across the joint are empty"
    ]


def test_what_is_never_filtered_is_one_sentence_of_a_leg(walk_keypoints: FloatArray) -> None:
    nine = np.where(np.arange(180) % 90 < 81, np.nan, 0.0)
    *_, last = warnings(walk_keypoints, JointAngles(nine, np.full(180, np.nan), nine))
    assert last == "right leg: hip, ankle not filtered, fewer than 10 frames in a row"
    ten_once = np.where(np.arange(180) < 10, 0.0, nine)
    found = warnings(walk_keypoints, STANDING._replace(hip=ten_once))
    assert not any("not filtered" in sentence for sentence in found)


# the academy's normal ranges, 30 degrees wider
@pytest.mark.parametrize(
    ("joint", "lowest", "highest"),
    [("hip", -30 - 30, 120 + 30), ("knee", 0 - 30, 135 + 30), ("ankle", -50 - 30, 20 + 30)],
)
def test_what_no_joint_can_do_is_told(walk_keypoints: FloatArray, joint: str, lowest: float, highest: float) -> None:
    assert warnings(walk_keypoints, STANDING._replace(**{joint: np.linspace(lowest, highest, 180)})) == []
    for value in (lowest - 1, highest + 1):
        for beyond, told in ((3, 0), (4, 1)):
            angle = np.concatenate((np.full(30, np.nan), np.full(beyond, value), np.zeros(150 - beyond)))
            found = warnings(walk_keypoints, STANDING._replace(**{joint: angle}))
            sentences = [sentence for sentence in found if "outside what a joint can do" in sentence]
            assert len(sentences) == told
            assert all(
                f"right leg outside what a joint can do: {joint} (" in sentence and "in 3 % of the" in sentence
                for sentence in sentences
            )


@pytest.mark.parametrize(("missing", "told"), [(18, False), (19, True)])
def test_more_than_a_tenth_of_the_frames_is_worth_a_sentence(
    walk_keypoints: FloatArray, missing: int, told: bool
) -> None:
    assert len(walk_keypoints) == 180
    knee = np.where(np.arange(180) < missing, np.nan, 0.0)
    found = warnings(walk_keypoints, STANDING._replace(knee=knee))
    assert any("known in some frames only: knee in 89 %" in sentence for sentence in found) == told
    turned = walk_keypoints.copy()
    turned[:missing, :, 0] *= -1
    assert any("feet point the other way" in sentence for sentence in warnings(turned)) == told
