import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.cli import build
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.splits import open_split
from elifpose.datasets.statistics.counting import as_json, count, quantiles, together
from elifpose.structures import get_skeleton

HALPE26 = get_skeleton("halpe26")
Options = Callable[[Path, Path], list[str]]


@pytest.fixture
def open_set() -> Callable[..., PoseDataset]:
    """A function that opens the set ``NAME.json`` of a folder, mapped from COCO's keypoints to Halpe's."""

    def opened(root: Path, name: str, training: bool = True, **changes: Any) -> PoseDataset:
        pose_set = PoseSet(f"{name}.json", name, "coco17", **changes)
        return PoseDataset(name, pose_set, root, HALPE26, (48, 64), None, training, 0)

    return opened


@pytest.fixture
def small(
    make_set: Callable[..., Path], person: Callable[..., Any], open_set: Callable[..., PoseDataset]
) -> PoseDataset:
    """Three usable people in two 64 × 60 images, and one of each kind of those that are left out."""
    no_nose = person(3, 2, bbox=[10.0, 30.0, 40.0, 30.0])
    no_nose["keypoints"][:3] = [0, 0, 0]
    hidden_ankle = person(2, 1, bbox=[0.5, 5.0, 63.5, 50.0], area=400.0)
    hidden_ankle["keypoints"][-1] = 1
    left_out = [
        person(4, 1, iscrowd=1),
        person(5, 1, keypoints=[0] * 51, num_keypoints=0),
        person(6, 2, bbox=[5.0, 5.0, 0.0, 9.0]),
    ]
    root = make_set("small", [person(1, 1), hidden_ankle, no_nose, *left_out])
    with pytest.warns(UserWarning, match="zero size"):
        return open_set(root, "small")


def test_people_are_counted_as_they_are_used(small: PoseDataset) -> None:
    counted = count(small)
    assert counted.people == 3
    assert counted.people_per_image.tolist() == [2, 1]
    assert counted.left_out == {"crowds": 1, "no keypoints": 1, "other": 1}
    assert counted.keypoints_per_person.tolist() == [17, 17, 16]
    assert counted.person_sizes.tolist() == [30.0, 20.0, 30.0]
    assert counted.epoch_people is None


def test_a_box_at_the_images_side_is_cut_off(small: PoseDataset) -> None:
    assert count(small).cut_off.tolist() == [
        [False, False, False, False],
        [True, False, True, False],
        [False, False, False, True],
    ]


def test_keypoints_are_counted_in_the_networks_skeleton(coco_root: Path) -> None:
    annotations = "annotations/person_keypoints_train2017.json"
    data_set = PoseDataset("coco", PoseSet(annotations, "train2017"), coco_root, HALPE26, (48, 64), None, True, 0)
    counted = count(data_set)
    labelled, hidden = Counter[str](), Counter[str]()
    for record in json.loads((coco_root / annotations).read_text())["annotations"]:
        visibility = dict(zip(get_skeleton("coco17").keypoints, record["keypoints"][2::3], strict=True))
        labelled.update(name for name, value in visibility.items() if value > 0)
        hidden.update(name for name, value in visibility.items() if value == 1)
    assert sum(hidden.values()) > 0
    assert counted.labelled.tolist() == [labelled[name] for name in HALPE26.keypoints]
    assert counted.hidden.tolist() == [hidden[name] for name in HALPE26.keypoints]


def test_a_detectors_boxes_have_neither_keypoints_nor_sizes_of_people(
    make_set: Callable[..., Path], person: Callable[..., Any], open_set: Callable[..., PoseDataset]
) -> None:
    root = make_set("val", [person(1, 1)])
    found = [{"image_id": image, "category_id": 1, "bbox": [4.0, 4.0, 20.0, 30.0], "score": 0.9} for image in (1, 2)]
    (root / "found.json").write_text(json.dumps(found))
    counted = count(open_set(root, "val", training=False, detections="found.json"))
    assert counted.people == 2
    assert counted.labelled.sum() == len(counted.person_sizes) == 0
    assert counted.left_out == {}
    assert quantiles(counted.person_sizes) is None


def test_sets_together_are_as_one_set_of_all_their_people(small: PoseDataset) -> None:
    one = count(small, 3)
    both = together([one, one])
    assert both.people == 6
    assert both.epoch_people == 6
    assert both.left_out == {"crowds": 2, "no keypoints": 2, "other": 2}
    assert both.labelled.tolist() == (2 * one.labelled).tolist()
    assert np.array_equal(both.cut_off, np.concatenate((one.cut_off, one.cut_off)))


@pytest.mark.filterwarnings("ignore:.*also trained on")
def test_people_of_an_epoch_are_those_that_the_loader_asks_for(
    rendered: Path, tmp_path: Path, options: Options
) -> None:
    def rendered_set(split: str, weight: float) -> dict[str, Any]:
        annotations = f"annotations/person_keypoints_{split}.json"
        return {"annotations": annotations, "images": split, "skeleton": "halpe26", "weight": weight}

    mixed = {"large": rendered_set("train2017", 2.0), "small": rendered_set("val2017", 0.5)}
    _, data = build([*options(rendered, tmp_path), "--data.train", json.dumps(mixed)])
    sets = open_split(data, "train")
    batches: Any = data.train_dataloader().batch_sampler
    samples = np.array([key.sample for batch in batches for key in batch])
    of_large = int((samples < len(sets["large"])).sum())
    assert data.people_per_epoch() == {"large": of_large, "small": len(samples) - of_large}
    assert of_large == 2 * len(sets["large"])


def test_the_json_holds_counts_and_quantiles(small: PoseDataset) -> None:
    document = as_json(count(small, 3), HALPE26.keypoints)
    assert json.loads(json.dumps(document)) == document
    assert document["images"] == 2
    assert document["cut_off"] == {"left": 1, "top": 0, "right": 1, "bottom": 1, "any": 2}
    assert document["keypoints"]["nose"] == {"labelled": 2, "hidden": 0}
    assert document["keypoints"]["right_ankle"] == {"labelled": 3, "hidden": 1}
    assert document["keypoints"]["neck"] == {"labelled": 0, "hidden": 0}
    assert document["box_height"][1] == 48.0
