import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.progress import Progress

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.verification.verify import sources_of, verify

Person = Callable[..., dict[str, Any]]
MakeSet = Callable[..., Path]

A, B = PoseSet("a.json", "a"), PoseSet("b.json", "b")


def test_each_set_comes_once_with_the_splits_that_use_it() -> None:
    val = {"a": PoseSet("a.json", "a", weight=2.0, detections="d.json"), "b": B}
    sources = sources_of(PoseDataModule({"a": A}, val, predict={"b": B}))
    found = [(of.name, of.splits, of.pose_set.detections) for of in sources]
    assert found == [
        ("a", ("train",), None),
        ("a", ("val", "test"), "d.json"),
        ("b", ("val", "test", "predict"), None),
    ]


def test_the_same_files_under_the_same_name_are_one_set() -> None:
    (source,) = sources_of(PoseDataModule({"a": A}, {"a": PoseSet("a.json", "a", weight=0.5)}))
    assert source.splits == ("train", "val", "test", "predict")


def test_boxes_of_the_data_are_the_detections_that_are_read() -> None:
    data = PoseDataModule({"a": A}, {"b": B}, boxes="d.json", root="folder")
    assert [of.pose_set.detections for of in sources_of(data)] == [None, "d.json"]
    assert sources_of(data)[0].annotations == Path("folder/a.json")


def test_one_broken_set_does_not_stop_the_others(make_set: MakeSet, person: Person) -> None:
    make_set("a", [person(1, 1), person(2, 2)])
    root = make_set("b", [person(3, 1)])
    (root / "a/a-1.png").unlink()
    shutil.copy(root / "a/a-2.png", root / "b/b-1.png")
    (root / "c.json").write_text("{")
    train = {"broken": PoseSet("c.json", "a"), "absent": PoseSet("d.json", "d"), "a": A}
    data = PoseDataModule(train, {"b": B}, root=str(root), skeleton="coco17")
    with Progress(disable=True) as progress:
        found = {of.source.name: of for of in verify(data, quick=False, workers=0, progress=progress)}
    kinds = {name: [problem.kind for problem in of.problems] for name, of in found.items()}
    assert kinds["broken"] == ["annotations unusable"]
    assert kinds["absent"] == ["annotations unusable", "no image folder"]
    assert "image missing" in kinds["a"]
    assert "image also trained on" in kinds["b"]
    assert found["a"].looked_at["images"] == 1
    assert found["b"].looked_at["images"] == 2


def test_rendered_people_have_nothing_to_mend(rendered: Path) -> None:
    sets = {
        split: PoseSet(f"annotations/person_keypoints_{split}2017.json", f"{split}2017", "halpe26")
        for split in ("train", "val")
    }
    data = PoseDataModule({"train": sets["train"]}, {"val": sets["val"]}, root=str(rendered))
    with Progress(disable=True) as progress:
        found = verify(data, quick=True, workers=0, progress=progress)
    assert [of.problems for of in found] == [[], []]
    listed = len(json.loads((rendered / sets["train"].annotations).read_text())["images"])
    assert found[0].looked_at["images"] == listed
