import numpy as np
import pytest
import torch

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.show.choosing import choose, crop, recolored, without_augmentation
from elifpose.structures import PoseBatch

NOTHING = PhotometricAugment(colour_prob=0.0, blur_prob=0.0, median_prob=0.0, hole_prob=0.0)


@pytest.mark.parametrize(
    ("count", "numbers"), [(9, (3, 3, 3)), (10, (4, 3, 3)), (30, (14, 12, 4)), (1, (1,)), (999, (100, 12, 4))]
)
def test_each_set_is_shown_as_often_as_any_other_as_far_as_it_reaches(count: int, numbers: tuple[int, ...]) -> None:
    sizes = {"large": 100, "middle": 12, "small": 4}
    chosen = choose(sizes, count, seed=0)
    assert tuple(map(len, chosen.values())) == numbers
    for name, positions in chosen.items():
        assert sorted(set(positions)) == positions
        assert all(0 <= position < sizes[name] for position in positions)


def test_the_seed_decides_who_is_shown() -> None:
    assert choose({"one": 1000}, 5, seed=1) == choose({"one": 1000}, 5, seed=1)
    assert choose({"one": 1000}, 5, seed=1) != choose({"one": 1000}, 5, seed=2)


def test_samples_are_those_that_training_gets(data: PoseDataModule) -> None:
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(3)  # type: ignore[union-attr]
    batches = [PoseBatch(*batch) for batch in loader]
    everyone = list(range(len(data.train_sets["people"])))
    shown = {of.sample.sample_index: of.sample for of in crop(data.train_sets, {"people": everyone}, 3, 1)}
    seen = [
        (int(index), image, keypoints)
        for batch in batches
        for index, image, keypoints in zip(batch.sample_indices, batch.images, batch.keypoints_input, strict=True)
    ]
    assert sorted(index for index, _, _ in seen) == everyone
    for index, image, keypoints in seen:
        assert np.array_equal(shown[index].image, image.permute(1, 2, 0).numpy())
        assert np.array_equal(shown[index].keypoints_input, keypoints.numpy())


def test_without_augmentation_a_crop_is_that_of_validation(data: PoseDataModule) -> None:
    augmented = data.train_sets["people"]
    as_validated = PoseDataset(
        "people", augmented.pose_set, data.root, data.skeleton, data.input_size, data.geometry, False, 0
    )
    plain, validated = (of.__getitems__(range(8)) for of in (without_augmentation(augmented), as_validated))
    for one, other in zip(plain, validated, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.keypoints_input, other.keypoints_input)
    assert not np.array_equal(augmented[0].image, plain[0].image)


def test_in_the_mirrored_crop_left_and_right_have_changed_places(data: PoseDataModule) -> None:
    plain, mirrored = (without_augmentation(data.train_sets["people"], mirrored)[0] for mirrored in (False, True))
    width = data.input_size[0]
    other = {"left": "right", "right": "left"}
    for index, name in enumerate(data.skeleton.keypoints):
        side, _, rest = name.partition("_")
        partner = data.skeleton.index(f"{other[side]}_{rest}" if side in other else name)
        x, y = plain.keypoints_input[index]
        assert mirrored.keypoints_input[partner] == pytest.approx((width - x, y), abs=1e-3)
    difference = mirrored.image[:, 1:].astype(int) - plain.image[:, :0:-1]  # column x goes to W - x
    assert np.abs(difference).mean() < 1


def test_recoloured_samples_keep_all_but_the_image(data: PoseDataModule) -> None:
    shown = crop(data.train_sets, {"people": [0, 1, 2]}, 0, 1)
    same, holed = (recolored(shown, of, 0, 1) for of in (NOTHING, PhotometricAugment(colour_prob=0.0)))
    for before, after, with_hole in zip(shown, same, holed, strict=True):
        assert np.array_equal(before.sample.image, after.sample.image)
        assert after.sample.image.dtype == np.uint8
        black = (with_hole.sample.image == 0).all(axis=2) & ~(before.sample.image == 0).all(axis=2)
        assert black.mean() > 0.01
        assert before.sample.keypoints_input is with_hole.sample.keypoints_input
    assert torch.equal(torch.from_numpy(shown[0].sample.weights), torch.from_numpy(holed[0].sample.weights))
