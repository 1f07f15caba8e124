"""Several training sets as one: which are there, how often each is shown, and what their keypoints weigh."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import SampleKey
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.utils.errors import ElifPoseError

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]


@pytest.fixture
def root(make_set: MakeSet, person: Person) -> Path:
    """Sets to train on of 8, 4 and 4 people, and one to validate on."""
    make_set("a", [person(i, 1 + i % 3) for i in range(8)], images=3)
    make_set("b", [person(i, 1 + i % 2) for i in range(4)])
    make_set("c", [person(i, 1 + i % 2) for i in range(4)])
    return make_set("d", [person(i, 1 + i % 2) for i in range(2)])


def module(root: Path, **changes: Any) -> PoseDataModule:
    arguments: dict[str, Any] = {"root": str(root), "skeleton": "coco17", "input_size": (24, 32), "batch_size": 4}
    train = {"a": PoseSet("a.json", "a"), "b": PoseSet("b.json", "b", weight=2.0), "c": PoseSet("c.json", "c")}
    arguments |= {"train": train, "val": {"d": PoseSet("d.json", "d")}, "num_workers": 0}
    return PoseDataModule(**{**arguments, **changes})


def remove(root: Path, name: str) -> None:
    (root / f"{name}.json").unlink()
    shutil.rmtree(root / name)


def shown(data: PoseDataModule) -> Counter[int]:
    """How many people of each set an epoch's batches hold."""
    return Counter(i for batch in data.train_dataloader() for i in batch.dataset_indices.tolist())


@pytest.mark.parametrize(
    ("shares", "people"),
    [
        (None, [8, 8, 4]),
        ({"a": 0.5}, [10, 7, 3]),  # of 20 people; b and c have the rest by 8 and 4: 6.67 and 3.33
        ({"c": 0.7, "a": 0.1}, [2, 4, 14]),
        ({"a": 0.1, "b": 0.1, "c": 0.8}, [2, 2, 16]),
    ],
)
def test_an_epoch_shows_each_set_its_share(
    shares: dict[str, float] | None, people: list[int], root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = module(root, shares=shares)
    with caplog.at_level("INFO"):
        data.setup("fit")
    assert f"An epoch shows 20 people: a {people[0] / 20:.1%} ({people[0]})" in caplog.text
    assert [shown(data)[i] for i in range(3)] == people
    assert data.train_batches == 5


def test_an_epoch_of_one_set_needs_no_words(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        module(root, train={"a": PoseSet("a.json", "a")}).setup("fit")
    assert "An epoch" not in caplog.text


def test_shares_are_checked_before_anything_is_read() -> None:
    with pytest.raises(ElifPoseError, match="no training set is named 'x'"):
        module(Path("/nowhere"), shares={"x": 0.5})


def test_absent_sets_are_named_together_or_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    val = {"d": PoseSet("d.json", "d"), "e": PoseSet("e.json", "a")}
    remove(root, "b")
    with pytest.raises(ElifPoseError, match=r"(?s)data\.train\.b: no annotations.*no images.*data\.val\.e: no ann"):
        module(root, val=val).setup("fit")
    data = module(root, val=val, allow_missing=True, shares={"a": 0.5, "b": 0.25})
    data.prepare_data()
    with pytest.warns(UserWarning, match=r"left out: data\.train\.b: no .*; data\.train\.b: no .*; data\.val\.e"):
        data.setup("fit")
    assert (list(data.train_sets), list(data.val_sets)) == (["a", "c"], ["d"])
    assert [(data_set.name, data_set.index) for data_set in data.train_sets.values()] == [("a", 0), ("c", 1)]
    assert shown(data) == {0: 6, 1: 6}
    assert "data.shares of b do nothing: the sets are not there" in caplog.text
    data.setup("validate")  # says nothing again: warnings are errors here


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_evaluation_leaves_sets_out_too(stage: str, root: Path) -> None:
    remove(root, "b")
    val = {name: PoseSet(f"{name}.json", name) for name in "bd"}
    with pytest.raises(ElifPoseError, match=r"data\.\w+\.b: no annotations"):
        module(root, val=val).setup(stage)
    data = module(root, val=val, allow_missing=True)
    with pytest.warns(UserWarning, match=r"data\.\w+\.b: no annotations"):
        data.setup(stage)
    (opened,) = (of_split for of_split in (data.val_sets, data.test_sets, data.predict_sets) if of_split)
    assert list(opened) == ["d"]


def test_nothing_to_validate_on_is_an_error_anyway(root: Path) -> None:
    remove(root, "d")
    with pytest.raises(ElifPoseError, match="there is none of the sets to validate on"):
        module(root, allow_missing=True).setup("fit")


def test_preparation_parses_what_is_there_and_nothing_where_the_run_cannot_start(
    root: Path, cache_folder: Path
) -> None:
    shutil.rmtree(root / "b")
    trainer: Any = SimpleNamespace(state=SimpleNamespace(fn="fit"))
    data = module(root)
    data.trainer = trainer
    data.prepare_data()
    assert not cache_folder.exists()
    data = module(root, allow_missing=True)
    data.trainer = trainer
    data.prepare_data()
    assert len(list(cache_folder.iterdir())) == 3


def test_shared_images_are_told_by_pairs_of_sets(root: Path) -> None:
    val = {"d": PoseSet("d.json", "d"), "again": PoseSet("a.json", "a"), "more": PoseSet("b.json", "b")}
    message = (
        r"5 of 7 .*: again \(val\) and a \(train\) share 3 images \(.*\); more \(val\) and b \(train\) share 2 im"
    )
    with pytest.warns(UserWarning, match=message):
        module(root, val=val).setup("fit")


def dataset(root: Path, weights: Any, training: bool = True, **transform: Any) -> PoseDataset:
    off = {"flip_prob": 0.0, "half_body_prob": 0.0, "shift_prob": 0.0, "scale_factor": 0.0, "rotation_prob": 0.0}
    geometry = GeometricTransform(**{**off, **transform})
    pose_set = PoseSet("a.json", "a", keypoint_weights=weights)
    return PoseDataset("a", pose_set, root, HALPE26, (24, 32), geometry, training, 0)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_keypoint_weights_multiply_those_of_the_annotated_point(flip: float, root: Path) -> None:
    plain, weighted = (
        dataset(root, weights, flip_prob=flip)[0] for weights in (None, {"left_wrist": 0.0, "nose": 2.5})
    )
    ignored = "right_wrist" if flip else "left_wrist"  # in a mirrored image the set's left wrist is a right one
    factors = np.ones(26, np.float32)
    factors[[HALPE26.index(ignored), HALPE26.index("nose")]] = 0.0, 2.5
    assert plain.weights.dtype == weighted.weights.dtype == np.float32
    assert plain.weights.tolist() == [1.0] * 17 + [0.0] * 9
    np.testing.assert_array_equal(weighted.weights, plain.weights * factors)
    np.testing.assert_array_equal(weighted.image, plain.image)
    np.testing.assert_array_equal(weighted.keypoints_input[factors > 0], plain.keypoints_input[factors > 0])


def test_the_weights_of_the_sets_skeleton_are_mapped_to_the_networks(root: Path) -> None:
    weights = dict(zip(HALPE26.keypoints, dataset(root, "skeleton")[0].weights.tolist(), strict=True))
    expected = dict(zip(COCO17.keypoints, COCO17.joint_weights, strict=True))
    assert weights == pytest.approx({name: expected.get(name, 0.0) for name in HALPE26.keypoints})
    assert set(expected.values()) == {1.0, 1.2, 1.5}


def test_keypoint_weights_are_for_the_loss_alone(root: Path) -> None:
    weights = {"left_wrist": 0.0, **dict.fromkeys(COCO17.upper_body, 0.0)}
    evaluated, plain = dataset(root, weights, training=False), dataset(root, None, training=False)
    np.testing.assert_array_equal(evaluated[0].weights, plain[0].weights)
    assert evaluated.ground_truth() == plain.ground_truth()
    augmented: dict[str, Any] = {"half_body_prob": 1.0, "shift_prob": 1.0, "rotation_prob": 1.0}
    for index in range(4):
        key = SampleKey(0, 1, index)
        one, other = (dataset(root, of_loss, **augmented)[key] for of_loss in (weights, None))
        np.testing.assert_array_equal(one.input_to_image, other.input_to_image)
    assert len(dataset(root, dict.fromkeys(COCO17.keypoints, 0.0))) == 8
