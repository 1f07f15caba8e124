"""The people of one annotated set, as crops with keypoints."""

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import Dataset

from elifpose.datasets.annotated_images import AnnotatedImages
from elifpose.datasets.checks import (
    Finding,
    check_images,
    distinct,
    find_oddities,
    find_other_sizes,
    find_people,
)
from elifpose.datasets.corruption import Corruption
from elifpose.datasets.crops.shard import CropShard, Stamp, find_crops, make_stamp
from elifpose.datasets.detections import load_detections
from elifpose.datasets.formats import load_set
from elifpose.datasets.ground_truth import coco_ground_truth
from elifpose.datasets.mapped_keypoints import MappedKeypoints
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import SampleKey
from elifpose.datasets.transforms import CropPlan, GeometricTransform, warp
from elifpose.structures import PoseSample, Skeleton, get_skeleton
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine, invert_affine
from elifpose.utils.image import ImageArray


@final
class PoseDataset(Dataset[PoseSample]):
    """One person per sample, in the order of the images.

    Items are asked for by position or by `SampleKey`; asked for several at once, each image is decoded once.

    Samples are the people with labelled keypoints. Outside training they are a detector's boxes where the set names
    them, and where nobody has keypoints, everyone with a box who is not a crowd.

    Args:
        name: What the set is called.
        pose_set: Where it lies.
        root: Where relative paths start.
        skeleton: Keypoints of the samples; the set's own are mapped to them by name.
        input_size: Width and height of the crops, pixels.
        transform: How a person is cropped.
        training: Whether the set is trained on: crops are then augmented, and a detector's boxes not used.
        index: Position of the set among those of the data module.
        seed: With the set's index, epoch and sample, decides the augmentation.

    Attributes:
        annotations: All that the annotation file says.
        images: Its pictures.
        boxes: ``(S, 4)`` float64, image pixels, left, top, width, height.
        box_scores: ``(S,)`` float64, 1 for annotated boxes.
        image_indices: ``(S,)``, each sample's image as a position in the annotations; ascending.
        from_detector: Whether the samples are a detector's boxes: they have no keypoints and no area.
        has_truth: Whether anybody is annotated with keypoints, so that predictions can be compared with them.
        corruption: What disturbs the crops outside training; set by `corrupted`.
        findings: What of the set is left out or not used as it is.

    Raises:
        ElifPoseError: If a file or folder is missing or broken, if an image is missing, or if there is no sample.
    """

    def __init__(
        self,
        name: str,
        pose_set: PoseSet,
        root: str | Path,
        skeleton: Skeleton,
        input_size: tuple[int, int],
        transform: GeometricTransform | None,
        training: bool,
        index: int,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.pose_set = pose_set
        self.skeleton = skeleton
        self.input_size = input_size
        self.transform = transform or GeometricTransform()
        self.training = training
        self.augmented = training and transform is not None
        self.index = index
        self.seed = seed
        source = get_skeleton(pose_set.skeleton)
        self.annotations = load_set(pose_set, Path(root))
        self.images = AnnotatedImages(Path(root, pose_set.images), self.annotations)
        self._mapped = MappedKeypoints(self.annotations, source, skeleton)
        self._flip_indices = np.array(skeleton.flip_indices)
        self._loss_weights = np.ones(skeleton.num_keypoints, np.float32)
        if training:
            self._loss_weights[self._mapped.targets] = np.array(pose_set.loss_weights())[self._mapped.sources]
        self.from_detector = pose_set.detections is not None and not training
        self.corruption: Corruption | None = None
        self._crops: CropShard | None = None
        self._choose_people(Path(root, pose_set.annotations))
        if self.from_detector:
            self._choose_detections(Path(root, str(pose_set.detections)))
        self._check_images()
        self._announce()

    def _choose_people(self, source: Path) -> None:
        """Samples from the annotated boxes."""
        annotations, counts, labelled = self.annotations, self._mapped.num_keypoints, self._mapped.labelled
        counted = labelled.any(axis=1) & (counts > 0) & ~annotations.crowd
        self.has_truth = bool((counted & distinct(annotations)).any())
        if not (self.has_truth or self.training):
            labelled, counts = np.ones_like(labelled), np.ones_like(counts)
        people = find_people(annotations, labelled, counts)
        if not (len(people.rows) or self.from_detector):
            boxes = "" if self.training else ", or a detector's boxes as its 'detections'"
            raise ElifPoseError(
                f"data set {self.name!r}: {source} has no person with keypoints in a box"
                f"{''.join(f'; {finding}' for finding in people.findings)}"
                f"; give a file with annotated people as its 'annotations'{boxes}"
            )
        self._rows: npt.NDArray[np.int64] | None = people.rows
        self.boxes = people.boxes
        self.box_scores = np.ones(len(people.rows))
        self.image_indices = annotations.image_indices[people.rows]
        self.findings: tuple[Finding, ...] = (*people.findings, *find_oddities(annotations))

    def _choose_detections(self, source: Path) -> None:
        """Samples from a detector's boxes: they have no keypoints."""
        detections = load_detections(source, self.annotations)
        self._rows = None
        self.boxes, self.box_scores = detections.boxes, detections.scores
        self.image_indices = detections.image_indices
        self.findings += detections.findings

    def corrupted(self, corruption: Corruption) -> Self:
        """The same set with disturbed crops, for evaluation; boxes, people and ground truth stay as they are."""
        if self.training:
            raise ValueError("only sets that are evaluated on are disturbed")
        disturbed = copy.copy(self)
        disturbed.corruption = corruption
        return disturbed

    def _check_images(self) -> None:
        names, sizes = self.image_names, self.annotations.image_sizes[self._shown]
        check_images(self.name, self.images.folder, names)
        self.findings += find_other_sizes(self.images.folder, names, sizes)

    def _announce(self) -> None:
        """Tell what is left out: a warning of what somebody should look at, a line of what is as usual."""
        for expected, tell in ((True, rank_zero_info), (False, rank_zero_warn)):
            if told := [str(finding) for finding in self.findings if finding.expected is expected]:
                tell(f"data set {self.name!r}, {self.pose_set.annotations}, not used as they are: {'; '.join(told)}")

    @property
    def image_names(self) -> list[str]:
        """File names of the images that samples are cropped from, each once."""
        names = self.annotations.file_names()
        return [names[image] for image in self._shown.tolist()]

    @property
    def _shown(self) -> npt.NDArray[np.int32]:
        """Positions of the images that samples are cropped from, ascending, each once."""
        return self.image_indices[np.diff(self.image_indices, prepend=-1) > 0]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, item: int | SampleKey) -> PoseSample:
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int | SampleKey]) -> list[PoseSample]:
        """Several samples, in the order asked for; image pixels become input pixels here."""
        if not items:
            return []
        keys = [item if isinstance(item, SampleKey) else SampleKey(0, 1, item) for item in items]
        samples = np.array([key.sample for key in keys])
        keypoints_image, labelled = self.keypoints(samples)
        # an image's people come one after the other
        decode = lru_cache(maxsize=1)(self.images.read_into_buffer if self.corruption is None else self.images.read)
        cropped = {
            position: self._crop(keys[position], keypoints_image[position], labelled[position], decode)
            for position in np.argsort(self.image_indices[samples], kind="stable").tolist()
        }
        crops, plans = zip(*(cropped[position] for position in range(len(keys))), strict=True)
        matrices, flips = np.stack([plan.matrix for plan in plans]), np.array([plan.flip for plan in plans])
        keypoints_input = apply_affine(matrices, keypoints_image)
        weights = labelled * self._loss_weights  # before the flip: they are of what the set annotates
        keypoints_input[flips] = keypoints_input[flips][:, self._flip_indices]
        weights[flips] = weights[flips][:, self._flip_indices]
        columns = (
            crops,
            (keypoints_input * (weights > 0)[..., None]).astype(np.float32),
            weights,
            invert_affine(matrices).astype(np.float32),
            self.boxes[samples].astype(np.float32),
            self.box_scores[samples].tolist(),
            self.areas(samples).tolist(),
            self.annotations.image_ids[self.image_indices[samples]].tolist(),
            samples.tolist(),
            [self.index] * len(keys),
        )
        return list(map(PoseSample._make, zip(*columns, strict=True)))

    def crop_stamp(self) -> Stamp:
        """What crops of this set's people follow from."""
        padding = self.transform.padding
        return make_stamp(self.annotations, self.boxes, self.image_indices, self.input_size, padding)

    def use_crops(self, folder: Path) -> None:
        """Read the crops that `elifpose data cache` left in a folder where they are as good as the whole image.

        A line says so; a warning says if they are there but do not belong to this set as it is.
        """
        self._crops = find_crops(folder, self.name, self.crop_stamp)

    def _crop(
        self,
        key: SampleKey,
        keypoints_image: npt.NDArray[np.float64],
        labelled: npt.NDArray[np.bool_],
        decode: Callable[[int], ImageArray],
    ) -> tuple[ImageArray, CropPlan]:
        """One person's crop; ``decode`` gives an image by its position in the annotations."""
        image_index, box = int(self.image_indices[key.sample]), self.boxes[key.sample]
        if self.corruption is not None:
            image, rng = decode(image_index), self._generator(key)
            crop, matrix = self.corruption.crop(image, box, self.input_size, self.transform.padding, rng)
            return crop, CropPlan(matrix, flip=False)
        drawn = self._generator(key) if self.augmented else None
        plan = self.transform.draw(keypoints_image, labelled, box, self.skeleton, self.input_size, drawn, key.stage)
        kept = None if self._crops is None else self._crops.crop(key.sample, plan.matrix, self.input_size)
        return warp(decode(image_index), plan.matrix, self.input_size) if kept is None else kept, plan

    def _generator(self, key: SampleKey) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.index, key.epoch, key.repeat, key.sample))

    def keypoints(self, samples: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Keypoints ``(N, K, 2)`` of samples ``(N,)`` in image pixels, and which of them are labelled."""
        if self._rows is not None:
            return self._mapped.of_people(self._rows[samples])
        shape = (len(samples), self.skeleton.num_keypoints)
        return np.zeros((*shape, 2)), np.zeros(shape, np.bool_)

    def visibility(self) -> npt.NDArray[np.uint8]:
        """``(S, K)``: 0 not labelled, 1 labelled but hidden, 2 visible; 0 throughout in a detector's boxes."""
        if self._rows is not None:
            return self._mapped.visibility(self._rows)
        return np.zeros((len(self), self.skeleton.num_keypoints), np.uint8)

    def areas(self, samples: npt.NDArray[np.int64] | slice = slice(None)) -> npt.NDArray[np.float64]:
        """Of all samples or some, image pixels squared; 0 in a detector's boxes, and where the area is no number."""
        if self._rows is None:
            return np.zeros_like(self.box_scores[samples])
        return np.nan_to_num(self.annotations.areas[self._rows[samples]])

    def ground_truth(self) -> dict[str, Any]:
        """What evaluation compares with: a COCO dict in the samples' skeleton.

        All images and all people, crowds and those without keypoints included, with the boxes and areas as annotated;
        only annotations of unknown images and repeated ids are not in it. ``num_keypoints`` is the file's where the
        skeleton is its own, else the number of labelled keypoints.
        """
        return coco_ground_truth(self.annotations, self._mapped)
