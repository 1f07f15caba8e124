"""From annotated images to batches, one process and one core, side by side: step by step, and as ElifPose does it.

    python benchmarks/loader.py --annotations person_keypoints_val2017.json --images val2017

Without arguments, people are rendered into a temporary folder first. The plain reference reads the image for each
person, mirrors all of it, draws, warps, changes colours in HSV, blurs, cuts a hole and builds dense SimCC targets,
one NumPy or OpenCV step after the other, with nothing of a framework about it. ElifPose's figures hold what its
workers do, and, as a row of its own, what the device does. All take turns in one process; only the ratios mean
anything.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.joined import JoinedDataset
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import OrderedSampler, PeopleSampler
from elifpose.datasets.synthetic import write_dataset
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import PoseBatch, get_skeleton
from elifpose.structures.batch import collate
from elifpose.utils.geometry import apply_affine, box_to_center_scale, image_to_input_matrix

INPUT_SIZE, BATCH_SIZE, SPLIT = (192, 256), 32, 2.0
Array = npt.NDArray[np.float64]


def truncated_normal(rng: np.random.Generator) -> float:
    """Standard normal number cut to [-1, 1], by drawing until it fits."""
    while abs(number := rng.standard_normal()) > 1.0:
        pass
    return float(number)


def plain_photometric(crop: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Brightness and contrast in float, saturation and hue by way of HSV; blurs; one hole."""
    if rng.random() < 0.5:
        crop = np.clip(crop.astype(np.float32) + rng.uniform(-32, 32), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        crop = np.clip(crop.astype(np.float32) * rng.uniform(0.5, 1.5), 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = np.clip(hsv[..., 1].astype(np.float32) * rng.uniform(0.5, 1.5), 0, 255)
    hsv[..., 0] = (hsv[..., 0].astype(np.int64) + rng.integers(-18, 18)) % 180
    crop = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
    if rng.random() < 0.1:
        crop = np.asarray(cv2.blur(crop, (5, 5)), np.uint8)
    if rng.random() < 0.1:
        crop = np.asarray(cv2.medianBlur(crop, 5), np.uint8)
    height, width = (int(side * rng.uniform(0.2, 0.4)) for side in crop.shape[:2])
    top, left = rng.integers(0, crop.shape[0] - height), rng.integers(0, crop.shape[1] - width)
    crop[top : top + height, left : left + width] = 0
    return crop


def plain_targets(keypoints_input: Array) -> list[npt.NDArray[np.float32]]:
    """A row of bins per keypoint and axis: a normal curve about the keypoint."""
    targets = []
    for axis, (size, sigma) in enumerate(zip(INPUT_SIZE, (4.9, 5.66), strict=True)):
        bins = np.arange(size * SPLIT, dtype=np.float32)
        rows = np.zeros((len(keypoints_input), len(bins)), np.float32)
        for row, position in zip(rows, np.rint(keypoints_input[:, axis] * SPLIT), strict=True):
            row[:] = np.exp(-((bins - position) ** 2) / (2 * sigma**2))
        targets.append(rows)
    return targets


def plain_sample(data: PoseDataset, sample: int, rng: np.random.Generator | None) -> tuple[torch.Tensor, ...]:
    """One person, step by step; augmented if there is a generator."""
    image_index = int(data.image_indices[sample])
    stored = cv2.imread(str(data.images_folder / data.annotations.file_name(image_index)))
    image = cv2.cvtColor(np.asarray(stored), cv2.COLOR_BGR2RGB)
    keypoints, _ = data._keypoints(sample)
    center, scale = box_to_center_scale(data.boxes[sample], INPUT_SIZE)
    angle = 0.0
    if rng is not None:
        if rng.random() < 0.5:
            image = cv2.flip(image, 1)
            keypoints[:, 0] = image.shape[1] - 1 - keypoints[:, 0]
            keypoints = keypoints[list(data.skeleton.flip_indices)]
            center[0] = image.shape[1] - 1 - center[0]
        center = center + 0.16 * scale * [truncated_normal(rng) for _ in range(2)] * (rng.random() < 0.3)
        scale = scale * (1.0 + 0.4 * truncated_normal(rng))
        angle = 80.0 * truncated_normal(rng) * (rng.random() < 0.6)
    matrix = image_to_input_matrix(center, scale, INPUT_SIZE, angle)
    crop = np.asarray(cv2.warpAffine(image, matrix, INPUT_SIZE, flags=cv2.INTER_LINEAR), np.uint8)
    if rng is None:
        return (torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))),)
    crop = plain_photometric(crop, rng)
    targets = plain_targets(apply_affine(matrix, keypoints))
    return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))), *map(torch.from_numpy, targets)


def plain_batches(data: PoseDataset, training: bool) -> Iterator[list[torch.Tensor]]:
    """Batches of everyone, each in their own time."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data)) if training else np.arange(len(data))
    for start in range(0, len(data), BATCH_SIZE):
        chosen = order[start : start + BATCH_SIZE].tolist()
        samples = [plain_sample(data, sample, rng if training else None) for sample in chosen]
        yield [torch.stack(field) for field in zip(*samples, strict=True)]


def batches(data: PoseDataset, training: bool, grouped: bool) -> Iterator[PoseBatch]:
    """Batches of everyone as ElifPose's loader makes them; a group may decode an image once."""
    if training:
        joined = JoinedDataset([data])
        for keys in PeopleSampler([data.image_indices], BATCH_SIZE, group_by_image=grouped):
            yield collate(joined.__getitems__(keys) if grouped else [joined[key] for key in keys])
    else:
        for keys in OrderedSampler(len(data), BATCH_SIZE):
            yield collate(data.__getitems__(keys) if grouped else [data[key] for key in keys])


def on_device(data: PoseDataset) -> Iterator[torch.Tensor]:
    """Grouped training batches, with what the device does to them."""
    augment, generator = PhotometricAugment(), torch.Generator().manual_seed(0)
    for batch in batches(data, training=True, grouped=True):
        yield augment(batch.images, generator)


def milliseconds(run: Callable[[], Iterable[object]], people: int) -> float:
    """CPU time per person of going through all batches."""
    start = time.process_time()
    for _ in run():
        pass
    return 1000 * (time.process_time() - start) / people


def measure(annotations: Path, images: Path, skeleton: str, repeats: int) -> None:
    """Time all ways in turns and print the table."""
    pose_set, target = PoseSet(str(annotations), str(images), skeleton), get_skeleton(skeleton)
    train, val = (
        PoseDataset("set", pose_set, ".", target, INPUT_SIZE, GeometricTransform(), training, 0)
        for training in (True, False)
    )
    ways: dict[str, Callable[[], Iterable[object]]] = {
        "training, step by step": lambda: plain_batches(train, training=True),
        "training, each person alone": lambda: batches(train, training=True, grouped=False),
        "training, grouped by image": lambda: batches(train, training=True, grouped=True),
        "  the same and the device's part, on this core": lambda: on_device(train),
        "validation, step by step": lambda: plain_batches(val, training=False),
        "validation, each person alone": lambda: batches(val, training=False, grouped=False),
        "validation, grouped by image": lambda: batches(val, training=False, grouped=True),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(milliseconds(way, len(train)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    shown = len(train.image_names)
    print(f"{len(train)} people in {shown} images, {len(train) / shown:.2f} per image; one core, CPU time per person")
    print(f"{'':50}{'ms':>8}{'people/s':>10}{'ratio':>8}")
    for name, value in medians.items():
        against = medians["validation, step by step" if name.startswith("val") else "training, step by step"]
        print(f"{name:50}{value:8.2f}{1000 / value:10.0f}{against / value:8.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, help="a COCO-style JSON file; rendered people if not given")
    parser.add_argument("--images", type=Path, help="its folder of images")
    parser.add_argument("--skeleton", default="coco17", help="what the file is annotated with (default coco17)")
    parser.add_argument("--people", type=int, default=128, help="how many people to render (default 128)")
    parser.add_argument("--repeats", type=int, default=5, help="alternating runs of each; the median counts")
    options = parser.parse_args()
    if (options.annotations is None) != (options.images is None):
        parser.error("give both --annotations and --images, or neither")
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if options.annotations is not None:
        measure(options.annotations, options.images, options.skeleton, options.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        annotations = write_dataset(Path(folder), "train2017", options.people, seed=0, image_size=(640, 426))
        measure(annotations, Path(folder, "train2017"), "halpe26", options.repeats)


if __name__ == "__main__":
    main()
