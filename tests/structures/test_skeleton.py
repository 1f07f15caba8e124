import json
import pickle
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
        ({"keypoints": ("neck", "left_hand", "left_hand")}, "keypoints name left_hand more than once"),
        ({"keypoints": (), "sigmas": (), "joint_weights": ()}, "has no keypoints"),
        ({"sigmas": (0.1, 0.2)}, "2 sigmas for 3 keypoints"),
        ({"joint_weights": (1.0,)}, "1 joint weights for 3 keypoints"),
        ({"sigmas": (0.1, 0.2, 0.0)}, "must be positive"),
        ({"sigmas": (0.1, 0.2, float("nan"))}, "must be positive"),
        ({"sigmas": (0.1, 0.2, float("inf"))}, "must be positive"),
        ({"joint_weights": (1.0, -1.0, 1.0)}, "must not be negative"),
        ({"joint_weights": (1.0, float("nan"), 1.0)}, "must not be negative"),
        ({"flip_pairs": (("left_hand", "right_hand"), ("neck", "left_hand"))}, "flip pairs name left_hand more"),
        ({"flip_pairs": (("neck", "neck"),)}, "flip pairs name neck more"),
        ({"flip_pairs": (("left_hand", "tail"),)}, "flip pairs name tail; its keypoints are neck, right_hand"),
        ({"upper_body": ("head",)}, "upper body name head;"),
        ({"upper_body": ("neck", "neck")}, "upper body name neck more"),
        ({"lower_body": ("foot", "toe")}, "lower body name foot, toe;"),
        ({"links": (Link("neck", "head", (0, 0, 0)),)}, "links name head;"),
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


def test_arguments_rebuild_a_skeleton_also_from_json() -> None:
    arguments = ARM.arguments()
    assert Skeleton.from_arguments(arguments) == ARM
    rebuilt = Skeleton.from_arguments(json.loads(json.dumps(arguments)))
    assert rebuilt == ARM
    assert hash(rebuilt) == hash(ARM)
    assert rebuilt.links[0].color == (0, 255, 0)


def test_arguments_are_primitives() -> None:
    assert b"elifpose" not in pickle.dumps(ARM.arguments())


def test_links_are_coloured_by_side() -> None:
    left, right = Link.between("neck", "left_hand").color, Link.between("right_hand", "right_elbow").color
    middle = Link.between("head", "neck").color
    assert len({left, right, middle}) == 3
    assert Link.between("left_hand", "left_elbow").color == left
    assert Link.between("left_hip", "right_hip").color == middle
