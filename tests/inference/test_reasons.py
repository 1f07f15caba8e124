import numpy as np
import pytest

from elifpose.biomechanics import JointAngles
from elifpose.biomechanics.points import POINTS, SIDES, FloatArray
from elifpose.inference.reasons import frame_reasons, limits


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


def test_limits_name_what_is_rarely_known(walk_keypoints: FloatArray) -> None:
    whole = np.zeros(len(walk_keypoints))
    half, nothing = np.where(np.arange(len(whole)) % 36 < 18, 0.0, np.nan), np.full(len(whole), np.nan)
    never = np.zeros(len(whole), dtype=np.bool_)
    angles: dict[str, JointAngles] = {side: JointAngles(whole, half, nothing) for side in SIDES}
    found = limits(walk_keypoints, angles, float("nan"), 1, never)
    assert sum("angle is known in 50 % of the frames" in sentence for sentence in found) == 2
    assert sum("ankle's angle is never known" in sentence for sentence in found) == 2
    assert any("cannot be told" in sentence for sentence in found)
    assert any("left leg is away from the camera" in sentence for sentence in found)
    assert any("right leg is away" in sentence for sentence in limits(walk_keypoints, angles, 0.0, -1, never))


@pytest.mark.parametrize(("missing", "told"), [(18, False), (19, True)])
def test_more_than_a_tenth_of_the_frames_is_worth_a_sentence(
    walk_keypoints: FloatArray, missing: int, told: bool
) -> None:
    assert len(walk_keypoints) == 180
    knee = np.where(np.arange(180) < missing, np.nan, 0.0)
    whole, never = np.zeros(180), np.zeros(180, dtype=np.bool_)
    found = limits(walk_keypoints, {"right": JointAngles(whole, knee, whole)}, 0.0, 1, never)
    assert any("right knee's angle is known in" in sentence for sentence in found) == told
    turned = walk_keypoints.copy()
    turned[:missing, :, 0] *= -1
    found = limits(turned, {"right": JointAngles(whole, whole, whole)}, 0.0, 1, never)
    assert any("feet point the other way" in sentence for sentence in found) == told
