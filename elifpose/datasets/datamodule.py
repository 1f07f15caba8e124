"""The data of a run: sets to train on, to validate on, to test on and to predict on, as batches."""

import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import DataLoader, Dataset

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.corruption import Corruption
from elifpose.datasets.formats import load_set
from elifpose.datasets.joined import JoinedDataset
from elifpose.datasets.loader import people_loader
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import RESERVED, PoseSet, with_boxes
from elifpose.datasets.present_sets import PresentSets, absent_files, present_sets
from elifpose.datasets.sampler import OrderedSampler, PeopleSampler, SampleKey
from elifpose.datasets.shared_images import pairs_of_sets, shared_images
from elifpose.datasets.shares import check_shares, epoch_sentence, people_per_epoch
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import PoseBatch, PoseSample, get_skeleton
from elifpose.utils.errors import ElifPoseError

Split = Literal["train", "val", "test", "predict"]
_SPLITS: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
}


class PoseDataModule(LightningDataModule):
    """Reads, mixes, crops and augments annotated people.

    One training loader goes over all sets together; validation, testing and prediction have one loader per set, in
    the order given. The order of people is seeded by (seed, epoch), geometric augmentation by (seed, set, epoch,
    person) and photometric augmentation, done on the device, by (seed, batch, process).

    Args:
        train: Sets to train on, by name.
        val: Sets to validate on, by name.
        test: Sets to test on, by name; those of ``val`` if None. Nobody need have keypoints there.
        predict: Sets to predict on, by name; those of ``val`` if None. Nobody need have keypoints there.
        boxes: What validation, testing and prediction crop: each set's own ``detections``, or else its annotated
            boxes, if None; ``gt`` for annotated boxes everywhere; or a JSON file of a detector's boxes for the one
            set there is, a relative path starting at ``root``.
        root: Where relative paths of the sets start.
        skeleton: Keypoints of the network.
        input_size: Width and height of the crops, pixels.
        batch_size: People in a training batch, per process.
        val_batch_size: People in a batch of validation, testing and prediction; ``batch_size`` if None.
        num_workers: Processes that read images; 0 reads in the main process.
        geometry: Geometric augmentation of training, null for none; its padding is validation's too.
        photometric: Augmentation of colours and sharpness in training; null for none.
        group_by_image: Let a training batch hold the people of an image together, so that it is decoded once.
        max_people_per_image: How many people of one image may then be in a batch.
        shares: Of some training sets, the part of an epoch that they make up: ``{coco_wholebody: 0.5}`` makes half
            of the people COCO's. The others share the rest by size and weight; an epoch stays as long as it is.
        allow_missing: Leave out sets whose annotations or images are absent, and say so; otherwise an error names
            all of them.
        crops: Folder of crops that ``elifpose data cache`` wrote, to train from where they fit; relative to ``root``.
            Used where present.
        seed: Decides order and augmentation.

    Attributes:
        sources: What was asked for: sets by name, for each of ``train``, ``val``, ``test`` and ``predict``.
        train_sets: By name, after setup.
        val_sets: By name, after setup.
        test_sets: By name, after setup.
        predict_sets: By name, after setup.
        switch_epoch: The first epoch, from 0, of the recipe's stage 2; None for never. To be set before training
            starts.
        corruption: What disturbs the crops of loaders made from now on, those of training excepted; None for nothing.

    Raises:
        ElifPoseError: If a size is not positive, or if there can be no such shares.
    """

    def __init__(
        self,
        train: dict[str, PoseSet],
        val: dict[str, PoseSet],
        test: dict[str, PoseSet] | None = None,
        predict: dict[str, PoseSet] | None = None,
        boxes: str | None = None,
        root: str = ".",
        skeleton: str = "halpe26",
        input_size: tuple[int, int] = (192, 256),
        batch_size: int = 64,
        val_batch_size: int | None = None,
        num_workers: int = 2,
        geometry: GeometricTransform | None = None,
        photometric: PhotometricAugment | None = None,
        group_by_image: bool = True,
        max_people_per_image: int = 4,
        shares: dict[str, float] | None = None,
        allow_missing: bool = False,
        crops: str = "crops",
        seed: int = 0,
    ) -> None:
        super().__init__()
        val_batch_size = batch_size if val_batch_size is None else val_batch_size
        sizes = {"batch_size": batch_size, "val_batch_size": val_batch_size, "input_size": min(input_size)}
        for name, value in sizes.items():
            if value < 1:
                raise ElifPoseError(f"the data's {name} is {value}; it must be at least 1")
        if num_workers < 0 or seed < 0:
            raise ElifPoseError(f"num_workers ({num_workers}) and seed ({seed}) must not be negative")
        if reserved := sorted({*train, *val, *(test or {}), *(predict or {})} & set(RESERVED)):
            raise ElifPoseError(
                f"a data set is named {reserved[0]!r}, and val/{reserved[0]}/AP is what QATCallback logs; give it"
                " another name"
            )
        check_shares(shares or {}, train)
        self.sources = {
            "train": train,
            "val": val,
            "test": val if test is None else test,
            "predict": val if predict is None else predict,
        }
        self.boxes = boxes
        self.root = Path(root).expanduser()
        self.skeleton = get_skeleton(skeleton)
        self.input_size = input_size
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size
        self.num_workers = num_workers
        self.geometry = geometry
        self.photometric = photometric
        self.group_by_image = group_by_image
        self.max_people_per_image = max_people_per_image
        self.shares = shares or {}
        self.allow_missing = allow_missing
        self.crops = self.root / crops
        self.seed = seed
        self.switch_epoch: int | None = None
        self.train_sets: dict[str, PoseDataset] = {}
        self.val_sets: dict[str, PoseDataset] = {}
        self.test_sets: dict[str, PoseDataset] = {}
        self.predict_sets: dict[str, PoseDataset] = {}
        self.corruption: Corruption | None = None
        self.allow_zero_length_dataloader_with_multiple_devices = True  # a small validation set on many processes

    def check_files(self, stage: str) -> None:
        """Raise `ElifPoseError` if files of the sets that a stage needs are absent; it names all of them."""
        self._present(_SPLITS[stage])

    def prepare_data(self) -> None:
        """Parse the annotations in one process, so that the others find them in the cache."""
        stage = None if self.trainer is None else self.trainer.state.fn
        splits = self.sources if stage is None else _SPLITS[stage]
        of_all = [pose_set for split in splits for pose_set in self.sources[split].values()]
        with suppress(ElifPoseError):  # `setup` is about to say so in every process, and nobody waits for this one
            if stage is not None:
                self._present(_SPLITS[stage])
            for of_set in {(each.annotations, each.images, each.skeleton): each for each in of_all}.values():
                if not absent_files(of_set, self.root):  # if a set that this run does not use is absent, nobody minds
                    load_set(of_set, self.root)

    def setup(self, stage: Literal["fit", "validate", "test", "predict"] | str) -> None:
        """Open the sets that a stage needs, and check them.

        Raises:
            ElifPoseError: If files are missing or broken, if there is no set, if nobody to validate on has keypoints,
                or if ``boxes`` is a file and there are several sets.
        """
        splits = [split for split in _SPLITS[stage] if not self.sets_of(split)]
        sets, absent = self._present(splits)
        if absent:
            rank_zero_warn(f"sets that are not there are left out: {'; '.join(absent)}")
        for split in splits:
            self.sets_of(split).update(self._open(split, sets[split]))
        if stage == "fit":
            if len(self.sources["train"]) > 1:
                rank_zero_info(epoch_sentence(self.people_per_epoch(), self.shares))
            self._warn_of_shared_images()

    def sets_of(self, split: Split) -> dict[str, PoseDataset]:
        """The sets of a split, by name, after setup."""
        of = {"train": self.train_sets, "val": self.val_sets, "test": self.test_sets, "predict": self.predict_sets}
        return of[split]

    def _present(self, splits: Iterable[Split]) -> PresentSets:
        """What is there of the sets of some splits, with the boxes to crop as their ``detections``."""
        sources: dict[str, dict[str, PoseSet]] = {}
        for split in splits:
            of_split = self.sources[split]
            given_as = "val" if of_split is self.sources["val"] else split
            sources[split] = with_boxes(of_split, None if split == "train" else self.boxes, split, given_as)
        return present_sets(sources, self.root, self.allow_missing)

    def _open(self, split: Split, sources: Mapping[str, PoseSet]) -> dict[str, PoseDataset]:
        training = split == "train"
        sets = {
            name: PoseDataset(
                name, pose_set, self.root, self.skeleton, self.input_size, self.geometry, training, index, self.seed
            )
            for index, (name, pose_set) in enumerate(sources.items())
        }
        for name, data_set in sets.items():
            if split == "val" and not data_set.has_truth:
                raise ElifPoseError(
                    f"data set {name!r}: nobody has keypoints in {self.root / data_set.pose_set.annotations}, so that"
                    " there is nothing to validate against; correct 'annotations', or name it under data.predict"
                )
        return sets

    def _warn_of_shared_images(self) -> None:
        """Warn if validation shows what training saw."""
        train, val = (
            {name: (data_set.images.folder, data_set.image_names) for name, data_set in sets.items()}
            for sets in (self.train_sets, self.val_sets)
        )
        if shared := shared_images(train, val):
            number = len({(image.val, image.path) for image in shared})
            rank_zero_warn(
                f"{number} of {sum(len(names) for _, names in val.values())} validation images are also trained on:"
                f" {'; '.join(pairs_of_sets(shared))}: validation will look better than it is"
            )

    @property
    def train_batches(self) -> int:
        """How many training batches an epoch has in each process."""
        return len(self._train_sampler())

    @property
    def train_order(self) -> dict[str, Any]:
        """What decides the order of the training batches beside the epoch; see `PeopleSampler`."""
        return self._train_sampler().order

    def train_dataloader(self) -> DataLoader[PoseSample]:
        """One loader over all training sets; a fit that goes on in mid-epoch has it begin where that epoch stands."""
        for data_set in self.train_sets.values():
            data_set.use_crops(self.crops)
        sampler = self._train_sampler()
        if self.trainer is not None:
            # Lightning starts the first iterator before it tells the epoch; a resumed run would repeat epoch 0.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return self._loader(JoinedDataset(list(self.train_sets.values())), sampler, training=True)

    def people_per_epoch(self) -> dict[str, int]:
        """How many people of each training set an epoch shows; after setup."""
        sizes = {name: len(data_set) for name, data_set in self.train_sets.items()}
        weights = {name: data_set.pose_set.weight for name, data_set in self.train_sets.items()}
        return people_per_epoch(sizes, weights, self.shares)

    def _train_sampler(self, alone: bool = False) -> PeopleSampler:
        sets = list(self.train_sets.values())
        rank, world_size = (0, 1) if alone else self._process()
        return PeopleSampler(
            [data_set.image_indices for data_set in sets],
            self.batch_size,
            weights=[people / len(self.train_sets[name]) for name, people in self.people_per_epoch().items()],
            seed=self.seed,
            group_by_image=self.group_by_image,
            max_people_per_image=self.max_people_per_image,
            rank=rank,
            world_size=world_size,
            switch_epoch=self.switch_epoch,
        )

    def calibration_dataloader(self, batches: int, epoch: int) -> DataLoader[PoseSample]:
        """The first training batches of an epoch, the same in every process.

        The training loader and its sampler stay as they are.

        Args:
            batches: How many at most.
            epoch: Whose, from 0.
        """
        sampler = self._train_sampler(alone=True)
        sampler.set_epoch(epoch)
        first = list(itertools.islice(sampler, batches))
        return self._loader(JoinedDataset(list(self.train_sets.values())), first)

    def val_dataloader(self) -> list[DataLoader[PoseSample]]:
        """One loader per validation set."""
        return [self._ordered_loader(data_set) for data_set in self.val_sets.values()]

    def test_dataloader(self) -> list[DataLoader[PoseSample]]:
        """One loader per test set."""
        return [self._ordered_loader(data_set) for data_set in self.test_sets.values()]

    def predict_dataloader(self) -> list[DataLoader[PoseSample]]:
        """One loader per set to predict on."""
        return [self._ordered_loader(data_set) for data_set in self.predict_sets.values()]

    def _ordered_loader(self, data_set: PoseDataset) -> DataLoader[PoseSample]:
        if self.corruption is not None:
            data_set = data_set.corrupted(self.corruption)
        rank, world_size = self._process()
        sampler = OrderedSampler(len(data_set), self.val_batch_size, rank=rank, world_size=world_size)
        return self._loader(data_set, sampler)

    def _loader(
        self, data: Dataset[PoseSample], batches: Iterable[list[SampleKey]], training: bool = False
    ) -> DataLoader[PoseSample]:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return people_loader(data, batches, self.num_workers, training, pin_memory=on_gpu)

    def _process(self) -> tuple[int, int]:
        """This process's rank and how many there are."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def on_after_batch_transfer(self, batch: PoseBatch, dataloader_idx: int) -> PoseBatch:  # noqa: ARG002
        """Change colours and sharpness of training batches, on the device."""
        trainer = self.trainer
        if self.photometric is None or trainer is None or not trainer.training:
            return batch
        position = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        words = np.random.SeedSequence((self.seed, position, trainer.global_rank)).generate_state(2)
        generator = torch.Generator().manual_seed(int(words[0]) << 31 ^ int(words[1]))
        stage = 1 if self.switch_epoch is None or trainer.current_epoch < self.switch_epoch else 2
        return batch._replace(images=self.photometric(batch.images, generator, stage))
