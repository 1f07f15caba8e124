from pathlib import Path

import pytest

from elifpose.datasets.datamodule import PoseDataModule, Split
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.splits import detector_notes, open_split


@pytest.mark.parametrize(("split", "image_folder"), [("train", "train2017"), ("val", "val2017"), ("test", "val2017")])
def test_a_split_is_opened_for_what_it_serves(rendered: Path, split: Split, image_folder: str) -> None:
    train, val = (
        {"people": PoseSet(f"annotations/person_keypoints_{name}.json", name, "halpe26")}
        for name in ("train2017", "val2017")
    )
    sets = open_split(PoseDataModule(train, val, root=str(rendered)), split)
    assert sets["people"].images.folder.name == image_folder
    assert sets["people"].training == (split == "train")
    assert detector_notes(sets) == []


def test_a_detectors_boxes_are_told_of(rendered: Path, tmp_path: Path) -> None:
    people = PoseSet("annotations/person_keypoints_val2017.json", "val2017", "halpe26", str(tmp_path / "found.json"))
    (tmp_path / "found.json").write_text('[{"image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 30], "score": 0.9}]')
    (note,) = detector_notes(open_split(PoseDataModule({}, {"people": people}, root=str(rendered)), "val"))
    assert note.startswith("people: ")
    assert "--data.boxes=gt" in note
