import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.corruption import Corruption
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import PoseBatch
from elifpose.utils.errors import ElifPoseError

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]


@pytest.fixture
def root(make_set: MakeSet, person: Person) -> Path:
    """Two sets to train on, of 7 and 3 people, and two to validate on, of 3 and 2."""
    make_set("a", [person(i, 1 + i % 3) for i in range(7)], images=3)
    make_set("b", [person(i, 1 + i % 2) for i in range(3)])
    make_set("c", [person(i, 1 + i % 2) for i in range(3)])
    return make_set("d", [person(i, 1 + i % 2) for i in range(2)])


def sets(names: str) -> dict[str, PoseSet]:
    return {name: PoseSet(f"{name}.json", name) for name in names}


def module(root: Path, **changes: Any) -> PoseDataModule:
    arguments: dict[str, Any] = {"root": str(root), "skeleton": "coco17", "input_size": (24, 32), "batch_size": 4}
    return PoseDataModule(**{"train": sets("ab"), "val": sets("cd"), "num_workers": 0, **arguments, **changes})


class Recorder(LightningModule):
    """Trains nothing and remembers each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.train_batches: list[PoseBatch] = []
        self.val_batches: list[tuple[int, PoseBatch]] = []

    def training_step(self, batch: PoseBatch, _: int) -> Tensor:
        self.train_batches.append(batch)
        return self.weight * 0.0

    def validation_step(self, batch: PoseBatch, _: int, dataloader_idx: int = 0) -> None:
        self.val_batches.append((dataloader_idx, batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(data: PoseDataModule, folder: Path, epochs: int, resume: Path | None = None, **options: Any) -> Recorder:
    model = Recorder()
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
        **options,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*treespec.*", category=FutureWarning)
        trainer.fit(model, data, ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model


def people(batches: list[PoseBatch]) -> list[list[tuple[int, int]]]:
    """(set, person) of each sample of each batch."""
    return [list(zip(b.dataset_indices.tolist(), b.sample_indices.tolist(), strict=True)) for b in batches]


def test_batches_hold_all_sets(root: Path) -> None:
    data = module(root)
    data.prepare_data()
    data.setup("fit")
    (batch, *rest) = batches = list(data.train_dataloader())
    assert sorted(sum(people(batches), [])) == [(0, i) for i in range(7)] + [(1, i) for i in range(3)]  # noqa: RUF017
    assert sorted(len(b.images) for b in rest) == [3, 3]
    assert batch.images.shape == (4, 3, 32, 24)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    loaders = data.val_dataloader()
    assert [people(list(loader)) for loader in loaders] == [[[(0, 0), (0, 1), (0, 2)]], [[(1, 0), (1, 1)]]]
    assert [list(s) for s in (data.train_sets, data.val_sets, data.test_sets)] == [["a", "b"], ["c", "d"], []]


def test_test_is_validation_unless_given(root: Path) -> None:
    data, other = module(root), module(root, test=sets("a"))
    for each in (data, other):
        each.setup("test")
    assert (list(data.test_sets), list(other.test_sets), data.train_sets) == (["c", "d"], ["a"], {})
    assert len(other.test_dataloader()) == 1


def test_prediction_is_on_the_sets_of_validation_unless_given(root: Path) -> None:
    data, other = module(root), module(root, predict=sets("ab"))
    for each in (data, other):
        each.setup("predict")
    assert (list(data.predict_sets), list(other.predict_sets), data.val_sets) == (["c", "d"], ["a", "b"], {})
    assert [len(loader) for loader in other.predict_dataloader()] == [2, 1]
    assert other.sets_of("predict") is other.predict_sets
    other.setup("validate")
    assert [list(other.sets_of(split)) for split in ("val", "test")] == [["c", "d"], []]


def found_in(root: Path, name: str, scores: list[float]) -> str:
    """A file of detections in image 1."""
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [9, 9, 20, 30], "score": score} for score in scores]
    (root / f"{name}.json").write_text(json.dumps(boxes))
    return f"{name}.json"


@pytest.mark.parametrize(("stage", "split"), [("validate", "val"), ("test", "test"), ("predict", "predict")])
def test_boxes_are_the_sets_own_or_annotated_or_of_a_file(
    stage: str, split: Literal["val", "test", "predict"], root: Path
) -> None:
    own, other = found_in(root, "own", [0.5]), found_in(root, "other", [0.25, 0.75])
    named = {"c": PoseSet("c.json", "c", detections=own)}
    for boxes, scores in ((None, [0.5]), ("gt", [1, 1, 1]), (other, [0.25, 0.75]), (str(root / other), [0.25, 0.75])):
        data = module(root, val=named, boxes=boxes)
        data.setup(stage)
        of_set = data.sets_of(split)["c"]
        assert of_set.box_scores.tolist() == scores
        assert of_set.from_detector == (boxes != "gt")
        assert of_set.pose_set.detections == {None: own, "gt": None}.get(boxes, boxes)


def test_one_file_of_boxes_is_for_one_set(root: Path) -> None:
    boxes = found_in(root, "boxes", [0.5])
    message = r"data\.boxes: boxes\.json is one file.* 2 sets to {} on \(c, d\).*--data\.{}\.NAME\.detections"
    for stage, to, option in (("validate", "validate", "val"), ("test", "test", "val")):
        with pytest.raises(ElifPoseError, match=message.format(to, option)):
            module(root, boxes=boxes).setup(stage)
    given = module(root, val=sets("c"), test=sets("cd"), boxes=boxes)
    given.setup("fit")  # the sets to train on are not asked
    assert not any(of_set.from_detector for of_set in given.train_sets.values())
    with pytest.raises(ElifPoseError, match=message.format("test", "test")):
        given.setup("test")
    module(root, boxes="gt").setup("validate")


def test_there_must_be_somebody_to_validate_against(root: Path, make_set: MakeSet, person: Person) -> None:
    make_set("e", [person(1, 1, keypoints=[0] * 51, num_keypoints=0)])
    data = module(root, val=sets("e"))
    for stage in ("fit", "validate"):
        with pytest.raises(ElifPoseError, match=r"'e': nobody has keypoints in .*e\.json.*data\.predict"):
            data.setup(stage)
    for stage in ("test", "predict"):
        data.setup(stage)
    assert (len(data.test_sets["e"]), len(data.predict_sets["e"])) == (1, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_made_under_a_corruption_are_disturbed(workers: int, root: Path) -> None:
    data = module(root, num_workers=workers)
    data.setup("fit")
    (plain, _), train = data.val_dataloader(), data.train_dataloader().dataset
    data.corruption = Corruption("rotation", 30.0)
    disturbed, _ = data.val_dataloader()
    assert data.train_dataloader().dataset.sets == train.sets  # type: ignore[attr-defined]
    data.corruption = None
    again, _ = data.val_dataloader()
    ((before,), (during,), (after,)) = (list(loader) for loader in (plain, disturbed, again))
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    by_hand = [data.val_sets["c"].corrupted(Corruption("rotation", 30.0))[i].input_to_image for i in range(3)]
    assert torch.equal(during.input_to_image, torch.tensor(np.stack(by_hand)))
    assert not torch.equal(during.images, before.images)
    assert torch.equal(during.boxes_image, before.boxes_image)


def test_without_augmentation_crops_are_those_of_validation(root: Path) -> None:
    data = module(root, val=sets("a"))
    with pytest.warns(UserWarning, match=r"3 of 3 validation images are also trained on: .*a-1\.png"):
        data.setup("fit")
    for one, other in zip(data.train_sets["a"], data.val_sets["a"], strict=True):  # type: ignore[call-overload]
        assert (one.image == other.image).all()
        assert (one.keypoints_input == other.keypoints_input).all()
        assert (one.input_to_image == other.input_to_image).all()


def test_workers_learn_the_epoch_and_give_what_one_process_gives(root: Path, tmp_path: Path) -> None:
    geometry = GeometricTransform()
    runs = [fit(module(root, geometry=geometry, num_workers=n), tmp_path, 3).train_batches for n in (0, 2)]
    assert len({str(people(runs[0][start : start + 3])) for start in (0, 3, 6)}) == 3
    for one, other in zip(*runs, strict=True):
        for field, again in zip(one, other, strict=True):
            assert torch.equal(field, again)


def test_a_resumed_fit_goes_on_with_the_next_epoch(root: Path, tmp_path: Path) -> None:
    augmented = {"geometry": GeometricTransform(), "photometric": PhotometricAugment()}
    whole = fit(module(root, **augmented), tmp_path, 3)
    fit(module(root, **augmented), tmp_path, 2)
    resumed = fit(module(root, **augmented), tmp_path, 3, resume=tmp_path / "last.ckpt")
    assert people(resumed.train_batches) == people(whole.train_batches[6:])
    for one, other in zip(resumed.train_batches, whole.train_batches[6:], strict=True):
        assert torch.equal(one.images, other.images)


def test_photometric_augmentation_is_for_training_alone(root: Path, tmp_path: Path) -> None:
    plain = fit(module(root), tmp_path, 2)
    changed = fit(module(root, photometric=PhotometricAugment()), tmp_path, 2)
    other_seed = fit(module(root, photometric=PhotometricAugment(), seed=1), tmp_path, 2)
    assert people(plain.train_batches) == people(changed.train_batches) != people(other_seed.train_batches)
    for one, other in zip(plain.train_batches, changed.train_batches, strict=True):
        assert not torch.equal(one.images, other.images)
        assert torch.equal(one.keypoints_input, other.keypoints_input)
    for (_, one), (_, other) in zip(plain.val_batches, changed.val_batches, strict=True):
        assert torch.equal(one.images, other.images)


def test_stage_two_starts_at_the_switch(root: Path, tmp_path: Path) -> None:
    # Only stage 1 changes colours and shifts; with all else off, stage 2 shows the plain crops.
    geometry = GeometricTransform(0.0, 0.0, shift_prob=1.0, scale_factor=0.0, rotation_prob=0.0)
    photometric = PhotometricAugment(
        colour_prob=1.0, blur_prob=0.0, median_prob=0.0, hole_prob=0.0, hole_prob_stage2=0.0
    )
    data = module(root, geometry=geometry, photometric=photometric)
    data.switch_epoch = 1
    plain, switched = fit(module(root), tmp_path, 3), fit(data, tmp_path, 3)
    for position, (one, other) in enumerate(zip(plain.train_batches, switched.train_batches, strict=True)):
        assert torch.equal(one.images, other.images) == (position >= 3)
        assert torch.equal(one.input_to_image, other.input_to_image) == (position >= 3)


def test_processes_of_a_trainer_share_the_people(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    seen, validated = [], []
    for rank in range(2):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        data = module(root, val_batch_size=1)
        data.setup("fit")
        seen.append(people(list(data.train_dataloader())))
        validated.append(people(list(data.val_dataloader()[0])))
    assert [len(batches) for batches in seen] == [2, 2]
    flat = [one for batches in seen for batch in batches for one in batch]
    assert len(flat) == len(set(flat)) == 10
    assert validated == [[[(0, 0)], [(0, 2)]], [[(0, 1)], [(0, 2)]]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"val_batch_size": 0}, "val_batch_size is 0"),
        ({"input_size": (0, 4)}, "input_size is 0"),
        ({"num_workers": -1}, r"num_workers \(-1\)"),
        ({"skeleton": "squid"}, "no skeleton 'squid'"),
        ({"val": {"int8": PoseSet("c.json", "c")}}, "a data set is named 'int8'"),
    ],
)
def test_what_cannot_be_is_refused(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        module(root, **changes)


def test_absent_files_of_a_stage_are_told_before_it(root: Path) -> None:
    data = module(root, test={"absent": PoseSet("absent.json", "absent")})
    data.check_files("fit")
    with pytest.raises(ElifPoseError, match=r"data\.test\.absent: no annotations .*absent\.json"):
        data.check_files("test")


def test_no_set_is_an_error(root: Path) -> None:
    with pytest.raises(ElifPoseError, match=r"no set to train on; give one under data\.train"):
        module(root, train={}).setup("fit")


def test_preparation_parses_and_setup_finds_the_cache(root: Path, cache_folder: Path) -> None:
    data = module(root, test={"absent": PoseSet("absent.json", "absent")})
    data.prepare_data()
    assert len(list(cache_folder.iterdir())) == 4
    before = {path: path.stat().st_mtime_ns for path in cache_folder.iterdir()}
    data.setup("fit")
    assert {path: path.stat().st_mtime_ns for path in cache_folder.iterdir()} == before
    with pytest.raises(ElifPoseError, match=r"data\.test\.absent: no annotations .*absent\.json"):
        data.setup("test")


def test_an_evaluation_parses_its_own_sets_and_leaves_errors_to_setup(root: Path, cache_folder: Path) -> None:
    (root / "c.json").write_text("{")
    data = module(root)
    data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    data.trainer.state.fn = TrainerFn.VALIDATING
    data.prepare_data()
    assert not cache_folder.exists()
    with pytest.raises(ElifPoseError, match=r"c\.json is not valid JSON"):
        data.setup("validate")
