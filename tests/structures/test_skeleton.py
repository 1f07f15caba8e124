from dataclasses import replace
from typing import Any

import pytest

from elifpose.structures import Link, Skeleton

ARM = Skeleton(
    name="arm",
    keypoints=("neck", "right_hand", "left_hand"),
    flip_pairs=(("left_hand", "right_hand"),),
    sigmas=(0.1, 0.2, 0.2),
    sigmas_source="made up",
    joint_weights=(1.0, 1.5, 1.5),
    upper_body=("neck", "left_hand"),
    lower_body=("right_hand",),
    links=(Link("neck", "left_hand", (0, 255, 0)),),
)


def test_names_become_positions() -> None:
    assert ARM.num_keypoints == 3
    assert ARM.index("left_hand") == 2
    assert ARM.flip_indices == (0, 2, 1)
    assert ARM.upper_body_indices == (0, 2)
    assert ARM.lower_body_indices == (1,)
    assert ARM.link_indices == ((0, 2),)


def test_an_unknown_name_has_no_position() -> None:
    with pytest.raises(ValueError, match="tuple"):
        ARM.index("tail")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": ("neck", "left_hand", "left_hand")}, "named twice"),
        ({"sigmas": (0.1, 0.2)}, "2 sigmas for 3 keypoints"),
        ({"joint_weights": (1.0,)}, "1 joint_weights for 3 keypoints"),
        ({"sigmas": (0.1, 0.2, 0.0)}, "must be positive"),
        ({"sigmas": (0.1, 0.2, float("nan"))}, "must be positive"),
        ({"flip_pairs": (("left_hand", "right_hand"), ("neck", "left_hand"))}, "two flip pairs"),
        ({"flip_pairs": (("neck", "neck"),)}, "two flip pairs"),
        ({"flip_pairs": (("left_hand", "tail"),)}, "no keypoints are named tail"),
        ({"upper_body": ("head",)}, "no keypoints are named head"),
        ({"lower_body": ("foot", "toe")}, "no keypoints are named foot, toe"),
        ({"links": (Link("neck", "head", (0, 0, 0)),)}, "no keypoints are named head"),
    ],
)
def test_contradictions_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"skeleton 'arm'.*{message}"):
        replace(ARM, **change)


def test_skeletons_are_compared_by_value_and_frozen() -> None:
    assert replace(ARM) == ARM
    assert hash(replace(ARM)) == hash(ARM)
    with pytest.raises(AttributeError):
        ARM.name = "leg"  # type: ignore[misc]
