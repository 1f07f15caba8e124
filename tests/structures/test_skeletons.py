import json
from pathlib import Path
from typing import Any

import pytest

from elifpose.structures import SKELETONS, Skeleton, get_skeleton, keypoint_mapping
from elifpose.structures.skeletons import ALIASES, COCO17, HALPE26, recorded_skeleton, skeleton_record
from elifpose.utils.errors import ElifPoseError

OWN = "name: {}\nkeypoints: [left_a, right_a, b]\nflip: auto\nsigmas: {{left_a: 0.1, right_a: 0.1, b: 0.2}}\n"


@pytest.fixture(scope="module")
def mappings(reference: Path) -> Any:
    return json.loads((reference / "keypoint_mappings_halpe26.json").read_text())


@pytest.mark.parametrize("name", SKELETONS)
def test_mappings_to_halpe26_equal_reference(mappings: Any, name: str) -> None:
    expected = mappings["halpe" if name == "halpe26" else "coco" if name == "coco17" else name]
    if expected is None:  # plain COCO: the first 17 are Halpe26's
        expected = [[index, index] for index in range(17)]
    assert [list(pair) for pair in keypoint_mapping(SKELETONS[name], HALPE26)] == sorted(expected)


@pytest.mark.parametrize("source", SKELETONS.values(), ids=SKELETONS)
@pytest.mark.parametrize("target", SKELETONS.values(), ids=SKELETONS)
def test_mappings_keep_names_and_reverse(source: Skeleton, target: Skeleton) -> None:
    there = keypoint_mapping(source, target)
    for first, second in there:
        names = source.keypoints[first], target.keypoints[second]
        assert names[0] == names[1] or len({ALIASES.get(name, name) for name in names}) == 1
    assert sorted((second, first) for first, second in there) == sorted(keypoint_mapping(target, source))
    assert len(there) >= len(set(source.keypoints) & set(target.keypoints))


@pytest.mark.parametrize("source", SKELETONS.values(), ids=SKELETONS)
def test_a_mapped_person_mirrors_as_an_own_one(source: Skeleton) -> None:
    there = dict(keypoint_mapping(source, HALPE26))
    assert all(there[source.flip_indices[first]] == HALPE26.flip_indices[second] for first, second in there.items())


def test_an_unknown_skeleton_is_an_error_of_the_user() -> None:
    assert get_skeleton("coco17") is COCO17
    with pytest.raises(ElifPoseError, match=r"no skeleton 'coco18'; known are coco17, .*posetrack18.*FILE\.yaml"):
        get_skeleton("coco18")


@pytest.mark.parametrize("ending", ["yaml", "yml", "YAML"])
def test_a_skeleton_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    (tmp_path / f"mine.{ending}").write_text(OWN.format("mine"))
    skeleton = get_skeleton(str(tmp_path / f"mine.{ending}"))
    assert skeleton.name == "mine"
    assert skeleton.flip_indices == (1, 0, 2)
    monkeypatch.chdir(tmp_path)
    assert get_skeleton(f"mine.{ending}") == skeleton


@pytest.mark.parametrize("name", SKELETONS)
def test_a_checkpoint_names_a_known_skeleton(name: str) -> None:
    assert skeleton_record(SKELETONS[name]) == name
    assert recorded_skeleton(name) is SKELETONS[name]


def test_a_checkpoint_keeps_all_of_an_own_skeleton(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.format("mine") + "links: [left_a-b]\nupper_body: [b]\n")
    skeleton = get_skeleton(str(path))
    path.unlink()
    assert recorded_skeleton(skeleton_record(skeleton)) == skeleton
    assert recorded_skeleton(json.loads(json.dumps(skeleton_record(skeleton)))) == skeleton
