import json
from pathlib import Path
from typing import Any

import pytest

from elifpose.structures.public_skeletons import AIC, COCO_WHOLEBODY, CROWDPOSE, HALPE26, POSETRACK18, SKELETONS

ALL = pytest.mark.parametrize("name", SKELETONS)
# Our names of skeletons that the reference calls otherwise; its whole bodies go on with face and hands.
REFERENCE_NAMES = {"coco17": "coco"}


@pytest.fixture(scope="module")
def metadata(reference: Path) -> Any:
    return json.loads((reference / "dataset_meta.json").read_text())


def test_every_public_set_has_a_skeleton(metadata: Any) -> None:
    ours = {REFERENCE_NAMES.get(name, name) for name in SKELETONS}
    assert metadata.keys() - ours == {"halpe", "ochuman", "humanart"}
    for same in ("ochuman", "humanart"):
        compared = ("keypoints", "flip_indices", "sigmas", "joint_weights", "upper_body_ids", "lower_body_ids")
        assert all(metadata[same][field] == metadata["coco"][field] for field in compared), same
    assert tuple(metadata["halpe"]["keypoints"][:26]) == HALPE26.keypoints


@ALL
def test_skeletons_equal_reference(metadata: Any, name: str) -> None:
    skeleton, expected = SKELETONS[name], metadata[REFERENCE_NAMES.get(name, name)]
    K = skeleton.num_keypoints
    assert skeleton.keypoints == tuple(expected["keypoints"][:K])
    assert skeleton.sigmas == tuple(expected["sigmas"][:K])
    assert skeleton.joint_weights == tuple(expected["joint_weights"][:K])
    assert sorted(skeleton.upper_body_indices) == sorted(expected["upper_body_ids"])
    assert sorted(skeleton.lower_body_indices) == sorted(expected["lower_body_ids"])
    partner = {first: second for first, second in expected["flip_pairs"] if max(first, second) < K}
    assert skeleton.flip_indices == tuple(partner.get(index, index) for index in range(K))
    if skeleton is not COCO_WHOLEBODY:  # the reference has no links of it
        drawn = {frozenset(link) for link in skeleton.link_indices}
        assert drawn == {frozenset(link) for link in expected["skeleton_links"]}


@ALL
def test_mirroring_swaps_sides_and_twice_changes_nothing(name: str) -> None:
    skeleton = SKELETONS[name]
    assert skeleton.name == name
    for index, partner in enumerate(skeleton.flip_indices):
        swapped = skeleton.keypoints[index].replace("left_", "*").replace("right_", "left_").replace("*", "right_")
        assert skeleton.keypoints[partner] == swapped
        assert skeleton.flip_indices[partner] == index
        if skeleton not in (AIC, COCO_WHOLEBODY):  # these publishers' sigmas differ from left to right
            assert skeleton.sigmas[partner] == skeleton.sigmas[index]
        if skeleton is not CROWDPOSE:  # the recipe's weights do
            assert skeleton.joint_weights[partner] == skeleton.joint_weights[index]


@ALL
def test_halves_share_no_point_and_cover_all(name: str) -> None:
    skeleton = SKELETONS[name]
    assert sorted(skeleton.upper_body + skeleton.lower_body) == sorted(skeleton.keypoints)


@ALL
def test_links_connect_every_keypoint_and_are_symmetric(name: str) -> None:
    skeleton = SKELETONS[name]
    links = {frozenset(pair) for pair in skeleton.link_indices}
    assert len(links) == len(skeleton.links)
    assert {frozenset(skeleton.flip_indices[end] for end in link) for link in links} == links
    reached = {0}
    for _ in skeleton.keypoints:
        reached |= {end for link in links if link & reached for end in link}
    unreached = {skeleton.keypoints[index] for index in set(range(skeleton.num_keypoints)) - reached}
    assert unreached == ({"left_ear", "right_ear"} if skeleton is POSETRACK18 else set())


@ALL
def test_sigmas_say_where_they_come_from(name: str) -> None:
    assert len(SKELETONS[name].sigmas_source) > 10
