"""From annotated images to batches, one process and one core, side by side: as MMPose does it, and as ElifPose does.

    python benchmarks/loader.py --annotations person_keypoints_val2017.json --images val2017

Without arguments, people are rendered into a temporary folder first, and images chosen to have 2.65 of them on
average, as COCO's have. The plain reference, `plain_pipeline.py`, does for each person what MMPose 1.3.2's pipelines
do, with nothing of a framework about it; its times per step stand beside those that MMPose's own steps were measured
to take on another day. ElifPose's figures hold what its workers do, stacking into batches included, and, as rows of
their own, what the device does. All take turns in one process, in CPU time; only the ratios mean anything.
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from plain_pipeline import INPUT_SIZE, TRAINING, VALIDATION, PlainSet
from rich.console import Console
from rich.table import Table
from rows import Row, add_option, write_rows

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.crops.shard import CropShard, find_crops
from elifpose.datasets.crops.writer import write_crops
from elifpose.datasets.joined import JoinedDataset
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import OrderedSampler, PeopleSampler
from elifpose.datasets.synthetic import write_dataset
from elifpose.datasets.transforms import GeometricTransform, warp
from elifpose.structures import PoseBatch, get_skeleton
from elifpose.structures.batch import collate
from elifpose.utils.geometry import apply_affine, invert_affine
from elifpose.utils.image_buffer import ImageBuffer

TOLD = ("training, grouped by image", "training, from crops", "validation, grouped by image")
PLAIN = "what MMPose's pipeline does, step by step; CPU time, one core"
BATCH_SIZE, PEOPLE_PER_IMAGE, PEOPLE_A_TURN = 32, 2.65, 256
# CPU ms per person of MMPose 1.3.2 itself, RTMPose-t with 26 keypoints, on four of COCO's images with 12 people.
MMPOSE_STEPS = (("read", 1.43), ("affine", 0.89), ("fetch", 0.38), ("pack", 0.35), ("jitter", 0.34))
MMPOSE_LATER_STEPS = (("colours", 0.28), ("target", 0.25), ("blur_and_hole", 0.21))
MMPOSE = dict((*MMPOSE_STEPS, *MMPOSE_LATER_STEPS, ("in all", 4.29)))
MMPOSE_VALIDATION = 2.19


def plain_samples(data: PlainSet, training: bool) -> Iterator[object]:
    """Everyone, each in their own time."""
    for sample in range(len(data)):
        results = data.fetch(sample, training)
        for step in TRAINING if training else VALIDATION:
            step(results)
        yield results["packed"]


def batches(data: PoseDataset, training: bool, grouped: bool, turn: int) -> Iterator[PoseBatch]:
    """Batches of everyone as ElifPose's loader makes them; a group may decode an image once."""
    if training:
        joined = JoinedDataset([data])
        sampler = PeopleSampler([data.image_indices], BATCH_SIZE, group_by_image=grouped)
        sampler.set_epoch(turn)
        for keys in sampler:
            yield collate(joined.__getitems__(keys) if grouped else [joined[key] for key in keys])
    else:
        for keys in OrderedSampler(len(data), BATCH_SIZE):
            yield collate(data.__getitems__(keys) if grouped else [data[key] for key in keys])


def on_device(data: PoseDataset, turn: int) -> Iterator[torch.Tensor]:
    """Grouped training batches, with what the device does to them."""
    augment, generator = PhotometricAugment(), torch.Generator().manual_seed(0)
    for batch in batches(data, True, True, turn):
        yield augment(batch.images, generator)


def milliseconds(run: Callable[[int], Iterable[object]], people: int, turn: int) -> float:
    """CPU time per person of going through everyone, a few times where they are few."""
    rounds = max(1, PEOPLE_A_TURN // people)
    start = time.process_time()
    for number in range(rounds):
        for _ in run(turn * rounds + number):
            pass
    return 1000 * (time.process_time() - start) / (people * rounds)


def compare(
    train: PoseDataset, kept: PoseDataset, val: PoseDataset, plain: PlainSet, repeats: int
) -> dict[str, tuple[float, float]]:
    """Time all ways in turns: milliseconds per person, and how many times as fast as the plain one each is."""
    ways: dict[str, Callable[[int], Iterable[object]]] = {
        "training, plain": lambda _: plain_samples(plain, training=True),
        "training, each person alone": lambda turn: batches(train, True, False, turn),
        "training, grouped by image": lambda turn: batches(train, True, True, turn),
        "  the same and the device's part, on this core": lambda turn: on_device(train, turn),
        "training, from crops": lambda turn: batches(kept, True, True, turn),
        "  the same and the device's part, on this core ": lambda turn: on_device(kept, turn),
        "validation, plain": lambda _: plain_samples(plain, training=False),
        "validation, each person alone": lambda turn: batches(val, False, False, turn),
        "validation, grouped by image": lambda turn: batches(val, False, True, turn),
    }
    times: dict[str, list[float]] = defaultdict(list)
    for turn in range(repeats):
        for name, way in ways.items():
            times[name].append(milliseconds(way, len(train), turn))
    found = {}
    for name, values in times.items():
        against = times["validation, plain" if name.startswith("val") else "training, plain"]
        ratio = statistics.median(one / other for one, other in zip(against, values, strict=True))
        found[name] = statistics.median(values), ratio
    return found


def compare_table(found: dict[str, tuple[float, float]]) -> Table:
    """What `compare` found."""
    table = Table("one core, CPU time per person", "ms", "people/s", "ratio")
    for name, (value, ratio) in found.items():
        table.add_row(name, f"{value:.2f}", f"{1000 / value:.0f}", f"{ratio:.1f}")
    return table


def plain_steps(plain: PlainSet, repeats: int) -> Table:
    """Each step of the reference by itself, in milliseconds, beside what MMPose's own was measured to take."""
    table = Table("the reference's steps, ms per person", "training", "validation", "MMPose: training", "validation")
    times: dict[bool, dict[str, float]] = {True: defaultdict(float), False: defaultdict(float)}
    rounds = repeats * max(1, PEOPLE_A_TURN // len(plain))
    for training, of_step in times.items():
        for sample in list(range(len(plain))) * rounds:
            begun = time.process_time()
            results = plain.fetch(sample, training)
            of_step["fetch"] += time.process_time() - begun
            for step in TRAINING if training else VALIDATION:
                begun = time.process_time()
                step(results)
                of_step[step.__name__] += time.process_time() - begun
    for of_step in times.values():
        of_step["in all"] = sum(of_step.values())
    for name, seconds in times[True].items():
        numbers = (1000 * of_step / (len(plain) * rounds) for of_step in (seconds, times[False].get(name, 0.0)))
        shown = [f"{number:.2f}" if number else "" for number in (*numbers, MMPOSE.get(name, 0.0))]
        table.add_row(name.replace("_", " "), *shown, str(MMPOSE_VALIDATION) if name == "in all" else "")
    return table


def kernels(data: PoseDataset, crops: CropShard, repeats: int) -> Table:
    """ElifPose's own steps, each by itself, one person after the other as in a run."""
    people, rng = np.arange(len(data)), np.random.default_rng(0)
    points, labelled = data.keypoints(people)
    images = [ImageBuffer().hold(data.images.read(image)) for image in data.image_indices.tolist()]
    buffer, names = ImageBuffer(), data.annotations.file_names()
    plans = [
        data.transform.draw(points[i], labelled[i], data.boxes[i], data.skeleton, INPUT_SIZE, None) for i in people
    ]
    matrices, samples = np.stack([plan.matrix for plan in plans]), data.__getitems__(people.tolist())
    of_person: dict[str, Callable[[int], object]] = {
        "decode the image": lambda i: buffer.read(data.images.folder / names[data.image_indices[i]]),
        "decode the crop": crops.read,
        "generator": lambda i: np.random.default_rng((0, 0, 0, 0, i)),
        "draw": lambda i: data.transform.draw(points[i], labelled[i], data.boxes[i], data.skeleton, INPUT_SIZE, rng),
        "warp": lambda i: warp(images[i], plans[i].matrix, INPUT_SIZE),
    }
    of_batch: dict[str, Callable[[], object]] = {
        "keypoints from the columns": lambda: data.keypoints(people),
        "map keypoints, invert matrices": lambda: (apply_affine(matrices, points), invert_affine(matrices)),
        "stack into a batch": lambda: collate(samples),
    }
    table = Table("ElifPose's steps", "µs per person")
    for name, step in of_person.items():
        table.add_row(name, f"{microseconds(partial(for_each, step, people.tolist()), repeats) / len(people):.0f}")
    for name, whole in of_batch.items():
        table.add_row(name, f"{microseconds(whole, repeats) / len(people):.0f}")
    return table


def for_each(step: Callable[[int], object], people: list[int]) -> None:
    """A step for one person after the other; what it gives is let go."""
    for person in people:
        step(person)


def microseconds(run: Callable[[], object], repeats: int) -> float:
    """Median CPU time."""
    spent = []
    for _ in range(3 * repeats):
        begun = time.process_time()
        run()
        spent.append(time.process_time() - begun)
    return 1e6 * statistics.median(spent)


def measure(annotations: Path, images: Path, skeleton: str, repeats: int, folder: Path) -> list[Row]:
    """Time everything and print it."""
    pose_set, target = PoseSet(str(annotations), str(images), skeleton), get_skeleton("halpe26")
    train, val = (
        PoseDataset("set", pose_set, ".", target, INPUT_SIZE, GeometricTransform(), training, 0)
        for training in (True, False)
    )
    written, kept = write_crops(train, folder, 1, lambda _: None), copy.copy(train)
    kept.use_crops(folder)
    crops = find_crops(folder, train.name, train.crop_stamp)
    if crops is None:
        raise RuntimeError("the crops just written are not found")
    plain, shown = PlainSet(train, annotations, get_skeleton(skeleton)), len(train.image_names)
    console = Console(width=110)
    console.print(
        f"{len(train)} people in {shown} images, {len(train) / shown:.2f} per image;"
        f" crops {written.bytes / len(train) / 1000:.1f} kB each, images"
        f" {sum((images / name).stat().st_size for name in train.image_names) / shown / 1000:.0f} kB"
    )
    found = compare(train, kept, val, plain, repeats)
    for table in (compare_table(found), plain_steps(plain, repeats), kernels(train, crops, repeats)):
        console.print(table)
    return [Row(f"loading for {name}", f"{found[name][1]:.1f} ×", PLAIN) for name in TOLD]


def render(folder: Path, people: int) -> Path:
    """Rendered people in images of 640 × 426; those with the most people, down to 2.65 on average."""
    annotations = write_dataset(folder, "train2017", people, seed=0, image_size=(640, 426))
    document = json.loads(annotations.read_text())
    of_image: dict[int, list[object]] = defaultdict(list)
    for person in document["annotations"]:
        of_image[person["image_id"]].append(person)
    kept: list[object] = []
    for number, of_one in enumerate(sorted(of_image.values(), key=len, reverse=True), 1):
        if len(kept) + len(of_one) < PEOPLE_PER_IMAGE * number:
            break
        kept += of_one
    annotations.write_text(json.dumps({**document, "annotations": kept}))
    return annotations


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, help="a COCO-style JSON file; rendered people if not given")
    parser.add_argument("--images", type=Path, help="its folder of images")
    parser.add_argument("--skeleton", default="coco17", help="what the file is annotated with (default coco17)")
    parser.add_argument("--people", type=int, default=300, help="how many people to render (default 300)")
    parser.add_argument("--repeats", type=int, default=7, help="alternating runs of each; the median counts")
    add_option(parser)
    options = parser.parse_args()
    if (options.annotations is None) != (options.images is None):
        parser.error("give both --annotations and --images, or neither")
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        crops = Path(folder, "crops")
        if options.annotations is not None:
            found = measure(options.annotations, options.images, options.skeleton, options.repeats, crops)
        else:
            annotations = render(Path(folder), options.people)
            found = measure(annotations, Path(folder, "train2017"), "halpe26", options.repeats, crops)
    write_rows(options.rows, found)


if __name__ == "__main__":
    main()
