import re
from pathlib import Path

import pytest

from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.present_sets import present_sets
from elifpose.utils.errors import ElifPoseError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of sets a, b, c and d, a is there, b lacks images, c annotations, d both."""
    for name in "ab":
        (tmp_path / f"{name}.json").touch()
    for name in "ac":
        (tmp_path / name).mkdir()
    return tmp_path


def sets(names: str) -> dict[str, PoseSet]:
    return {name: PoseSet(f"{name}.json", name) for name in names}


def test_all_that_is_absent_is_named_at_once(root: Path) -> None:
    with pytest.raises(ElifPoseError) as caught:
        present_sets({"train": sets("abc"), "val": sets("da")}, root, allow_missing=False)
    assert str(caught.value).split("\n") == [
        "files of the data are not there:",
        f"  data.train.b: no images {root}/b",
        f"  data.train.c: no annotations {root}/c.json",
        f"  data.val.d: no annotations {root}/d.json",
        f"  data.val.d: no images {root}/d",
        "Fetch them (elifpose data synthesize renders the quickstart's), or correct the paths or"
        f" --data.root (which is {root}); or leave sets out by --data.allow_missing=true",
    ]


def test_what_is_absent_is_left_out_in_order(root: Path) -> None:
    (root / "e.json").touch()
    (root / "e").mkdir()
    asked = {"train": sets("ecba"), "val": sets("da")}
    there = present_sets(asked, root, allow_missing=True)
    assert {split: list(of_split) for split, of_split in there.sets.items()} == {"train": ["e", "a"], "val": ["a"]}
    assert there.sets["train"]["e"] is asked["train"]["e"]
    assert len(there.absent) == 4
    assert present_sets({"train": sets("ea")}, root, allow_missing=True).absent == ()


def test_a_split_of_which_nothing_is_there_is_an_error_anyway(root: Path) -> None:
    message = rf"there is none of the sets to validate on:\n.*data\.val\.b: no images {re.escape(str(root))}"
    with pytest.raises(ElifPoseError, match=message):
        present_sets({"train": sets("a"), "val": sets("b")}, root, allow_missing=True)


def test_a_split_without_sets_is_an_error(root: Path) -> None:
    with pytest.raises(ElifPoseError, match=r"no set to test on; give one under data\.test"):
        present_sets({"test": {}}, root, allow_missing=True)


def test_paths_may_be_absolute_and_annotations_a_folder(root: Path) -> None:
    absolute = PoseSet(str(root / "a"), str(root / "a"))
    assert present_sets({"val": {"x": absolute}}, Path("/nowhere"), allow_missing=False).absent == ()
