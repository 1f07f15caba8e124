import json
from pathlib import Path
from typing import Any

import pytest

from elifpose.structures import SKELETONS, Skeleton, get_skeleton, keypoint_mapping
from elifpose.structures.skeletons import COCO17, COCO_WHOLEBODY, HALPE26
from elifpose.utils.errors import ElifPoseError

# Skeletons and the reference's names for them; the reference's whole bodies go on with face and hands.
REFERENCE_NAMES = {"coco17": "coco", "coco_wholebody": "coco_wholebody", "halpe26": "halpe26"}


@pytest.fixture(scope="module")
def metadata(reference: Path) -> Any:
    return json.loads((reference / "dataset_meta.json").read_text())


@pytest.fixture(scope="module")
def mappings(reference: Path) -> Any:
    return json.loads((reference / "keypoint_mappings_halpe26.json").read_text())


def read_skeleton(metadata: Any, name: str, num_keypoints: int | None = None) -> Skeleton:
    """A skeleton of the reference, or its first keypoints."""
    entry = metadata[name]
    keypoints = tuple(entry["keypoints"])[:num_keypoints]
    count = len(keypoints)
    pairs = [(first, second) for first, second in entry["flip_pairs"] if first < second < count]
    return Skeleton(
        name=name,
        keypoints=keypoints,
        flip_pairs=tuple((keypoints[first], keypoints[second]) for first, second in pairs),
        sigmas=tuple(entry["sigmas"][:count]),
        sigmas_source="the reference",
        joint_weights=tuple(entry["joint_weights"][:count]),
        upper_body=tuple(keypoints[index] for index in entry["upper_body_ids"]),
        lower_body=tuple(keypoints[index] for index in entry["lower_body_ids"]),
    )


@pytest.mark.parametrize("name", SKELETONS)
def test_skeletons_equal_reference(metadata: Any, name: str) -> None:
    skeleton = get_skeleton(name)
    expected = read_skeleton(metadata, REFERENCE_NAMES[name], skeleton.num_keypoints)
    assert skeleton.keypoints == expected.keypoints
    assert skeleton.flip_indices == expected.flip_indices
    assert skeleton.sigmas == expected.sigmas
    assert skeleton.joint_weights == expected.joint_weights
    assert sorted(skeleton.upper_body_indices) == sorted(expected.upper_body_indices)
    assert sorted(skeleton.lower_body_indices) == sorted(expected.lower_body_indices)


@pytest.mark.parametrize("name", SKELETONS)
def test_mirroring_swaps_sides_and_twice_changes_nothing(name: str) -> None:
    skeleton = SKELETONS[name]
    assert skeleton.name == name
    for index, partner in enumerate(skeleton.flip_indices):
        swapped = skeleton.keypoints[index].replace("left_", "*").replace("right_", "left_").replace("*", "right_")
        assert skeleton.keypoints[partner] == swapped
        assert skeleton.flip_indices[partner] == index
        if skeleton is not COCO_WHOLEBODY:  # its publisher's feet differ from left to right
            assert skeleton.sigmas[partner] == skeleton.sigmas[index]
        assert skeleton.joint_weights[partner] == skeleton.joint_weights[index]


@pytest.mark.parametrize("name", SKELETONS)
def test_halves_share_no_point_and_cover_all(name: str) -> None:
    skeleton = SKELETONS[name]
    assert sorted(skeleton.upper_body + skeleton.lower_body) == sorted(skeleton.keypoints)


@pytest.mark.parametrize("name", SKELETONS)
def test_links_connect_every_keypoint_and_are_symmetric(name: str) -> None:
    skeleton = SKELETONS[name]
    links = {frozenset(pair) for pair in skeleton.link_indices}
    assert len(links) == len(skeleton.links)
    assert {frozenset(skeleton.flip_indices[end] for end in link) for link in links} == links
    reached = {0}
    for _ in skeleton.keypoints:
        reached |= {end for link in links if link & reached for end in link}
    assert reached == set(range(skeleton.num_keypoints))


def test_sides_have_their_own_colours() -> None:
    colours = {"left": set(), "right": set()}  # type: dict[str, set[tuple[int, int, int]]]
    for link in HALPE26.links:
        sides = {name.split("_")[0] for name in (link.start, link.end)} & {"left", "right"}
        if len(sides) == 1:
            colours[sides.pop()].add(link.color)
    assert len(colours["left"]) == len(colours["right"]) == 1
    assert colours["left"] != colours["right"]


def test_mappings_to_halpe26_equal_reference(metadata: Any, mappings: Any) -> None:
    compared = 0
    for name, expected in mappings.items():
        # The reference maps neither Halpe's and COCO-WholeBody's faces and hands nor JHMDB's and MPII's trunk points.
        source = read_skeleton(metadata, name, {"halpe": 26, "coco_wholebody": 23}.get(name))
        if expected is None:
            expected = [[index, index] for index in range(source.num_keypoints)]
        assert [list(pair) for pair in keypoint_mapping(source, HALPE26)] == sorted(expected), name
        compared += 1
    assert compared == 10


def test_our_whole_body_maps_as_the_reference_does(mappings: Any) -> None:
    assert [list(pair) for pair in keypoint_mapping(COCO_WHOLEBODY, HALPE26)] == mappings["coco_wholebody"]


@pytest.mark.parametrize("source", SKELETONS.values(), ids=SKELETONS)
@pytest.mark.parametrize("target", SKELETONS.values(), ids=SKELETONS)
def test_mappings_keep_names_and_reverse(source: Skeleton, target: Skeleton) -> None:
    there = keypoint_mapping(source, target)
    assert all(source.keypoints[first] == target.keypoints[second] for first, second in there)
    assert sorted((second, first) for first, second in there) == sorted(keypoint_mapping(target, source))
    assert len(there) == len(set(source.keypoints) & set(target.keypoints))


def test_an_unknown_skeleton_is_an_error_of_the_user() -> None:
    assert get_skeleton("coco17") is COCO17
    with pytest.raises(ElifPoseError, match="no skeleton 'coco18'; known are coco17, coco_wholebody, halpe26"):
        get_skeleton("coco18")
