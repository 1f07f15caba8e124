"""What it takes to start with many annotated people, and to go through them: time and memory.

    python benchmarks/annotations.py --people 150000 700000

Synthesised COCO-style files with 2.65 people per image, a polygon round each; the images are hard links to a file
with nothing but a PNG's header, since starting looks at folders and headers only. Every figure comes from a process
of its own. A start goes from setting up the data module, 5000 people to validate on included, to the first training
batch's indices; the files are in the system's page cache. A worker's memory is what it alone has written to
(``Private_Dirty`` in Linux's ``smaps_rollup``): the cache is mapped, and its pages are the system's. Times hold for
this machine only, ratios for others too.
"""

import argparse
import json
import os
import statistics
import tempfile
from contextlib import redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from alone import Cost, alone, cost, memory
from pycocotools.coco import COCO
from rows import Row, add_option, write_rows
from torch.utils.data import DataLoader, Dataset, get_worker_info

from elifpose.datasets.annotations import CACHE_VARIABLE
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.sampler import PeopleSampler, SampleKey
from elifpose.structures import get_skeleton

PER_IMAGE, IMAGE_SIZE, LINKS = 2.65, (640, 480), 50_000
VALIDATION, WORKERS, BATCH_SIZE = 5000, 2, 256


def write_set(root: Path, split: str, people: int, keypoints: int) -> None:
    """``SPLIT.json`` with people in no order of images, and the folder ``SPLIT`` of images."""
    rng = np.random.default_rng(people)
    width, height = IMAGE_SIZE
    names = [f"{split}_{image:012d}.png" for image in range(round(people / PER_IMAGE))]
    (root / split).mkdir()
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    for number, name in enumerate(names):
        if number % LINKS == 0:
            first = root / split / name
            first.write_bytes(header)
        else:
            os.link(first, root / split / name)
    images = [{"id": i, "file_name": name, "width": width, "height": height} for i, name in enumerate(names)]
    looks = [json.dumps(look(rng, keypoints))[1:] for _ in range(1000)]
    records = (
        f'{{"id": {number}, "image_id": {image}, {looks[number % len(looks)]}'
        for number, image in zip(rng.permutation(people), rng.integers(0, len(names), people), strict=True)
    )
    with (root / f"{split}.json").open("w") as file:
        file.write(json.dumps({"categories": [{"id": 1, "name": "person"}], "images": images})[:-1])
        file.write(', "annotations": [' + next(records))
        file.writelines(f", {record}" for record in records)
        file.write("]}")


def look(rng: np.random.Generator, keypoints: int) -> dict[str, Any]:
    """What a person's record holds beside its ids."""
    points = rng.integers(100, 400, (keypoints, 3))
    points[:, 2] %= 3
    return {
        "category_id": 1,
        "iscrowd": 0,
        "area": 30_000.5,
        "bbox": [90.25, 95.5, 320.75, 310.5],
        "num_keypoints": int(np.count_nonzero(points[:, 2])),
        "keypoints": points.ravel().tolist(),
        "segmentation": [rng.integers(0, 48_000, 40).tolist()],
    }


def data_module(root: Path, skeleton: str) -> PoseDataModule:
    """The synthesised sets."""
    train, val = (PoseSet(f"{split}.json", split, skeleton) for split in ("train", "val"))
    return PoseDataModule(
        {"set": train}, {"set": val}, root=str(root), skeleton=skeleton, batch_size=BATCH_SIZE, num_workers=0
    )


def plain(sent: float, root: Path) -> Cost:
    """The file as Python objects, indexed by pycocotools."""

    def load() -> Any:
        with redirect_stdout(None):
            return COCO(root / "train.json")

    return cost(sent, load)


def json_alone(sent: float, root: Path) -> Cost:
    """The file as Python objects."""
    return cost(sent, lambda: json.loads((root / "train.json").read_bytes()))


def started(root: Path, skeleton: str) -> tuple[PoseDataModule, list[SampleKey]]:
    """A data module, set up, and the first batch's indices."""
    data = data_module(root, skeleton)
    data.prepare_data()
    data.setup("fit")
    sampler: Any = data.train_dataloader().batch_sampler
    return data, next(iter(sampler))


def start(sent: float, root: Path, skeleton: str) -> Cost:
    """As a fit starts."""
    return cost(sent, lambda: started(root, skeleton))


class _Annotated(Dataset[object]):
    """Reads the annotations of a batch's people, but no image."""

    def __init__(self, of_set: PoseDataset) -> None:
        self._of_set = of_set

    def __getitem__(self, keys: list[SampleKey]) -> tuple[int, float]:
        """The worker's number, and its memory afterwards."""
        for key in keys:
            self._of_set.keypoints(np.array([key.sample]))
        worker = get_worker_info()
        return (0 if worker is None else worker.id), memory("Private_Dirty", "smaps_rollup")


def epoch(_: float, root: Path, skeleton: str) -> dict[int, list[float]]:
    """The workers' memory after each batch of an epoch."""
    data = data_module(root, skeleton)
    data.setup("fit")
    sampler = PeopleSampler([of_set.image_indices for of_set in data.train_sets.values()], BATCH_SIZE)
    loader = DataLoader(
        _Annotated(data.train_sets["set"]),
        batch_size=None,
        sampler=sampler,
        num_workers=WORKERS,
        multiprocessing_context=get_context("fork"),
    )
    seen: dict[int, list[float]] = {worker: [] for worker in range(WORKERS)}
    for worker, used in loader:
        seen[worker].append(used)
    return seen


def measure(root: Path, people: int, skeleton: str, repeats: int) -> list[Row]:
    """Synthesise sets, start on them, go through them, and print the tables."""
    for split, number in (("train", people), ("val", VALIDATION)):
        write_set(root, split, number, get_skeleton(skeleton).num_keypoints)
    size = (root / "train.json").stat().st_size / 1e6
    print(f"\n{people} people of {skeleton} in {round(people / PER_IMAGE)} images, {size:.0f} MB of JSON")
    reference, objects = alone(plain, root), alone(json_alone, root)
    first = alone(start, root, skeleton)
    later = [alone(start, root, skeleton) for _ in range(repeats)]
    second = Cost(*map(statistics.median, zip(*later, strict=True)))
    print(f"{'':44}{'seconds':>9}{'CPU':>8}{'of pycocotools':>16}{'peak MB':>9}{'imports, s':>12}")
    for name, of in (
        ("json.load", objects),
        ("json.load and pycocotools' COCO", reference),
        ("first start, to the first batch's indices", first),
        (f"second start, median of {repeats}", second),
    ):
        print(f"{name:44}{of.wall:9.3f}{of.cpu:8.3f}{of.cpu / reference.cpu:16.4f}{of.peak:9.0f}{of.start:12.1f}")
    print(f"{'workers going through everyone, MB alone':44}{'first batch':>12}{'last':>8}{'most':>8}{'batches':>9}")
    used = alone(epoch, root, skeleton)
    for worker, of_worker in used.items():
        first_used, last_used = of_worker[0], of_worker[-1]
        print(f"  {worker:<42}{first_used:12.1f}{last_used:8.1f}{max(of_worker):8.1f}{len(of_worker):9}")
    return rows(people, reference, first, second, used[0])


def rows(people: int, reference: Cost, first: Cost, second: Cost, used: list[float]) -> list[Row]:
    """Starts, and the memory of a worker."""
    against = f"pycocotools loading {people:,} people: {reference.cpu:.2f} s, {reference.peak:.0f} MB"
    starts = [
        Row(f"{which} start on {people:,} people", f"{reference.cpu / of.cpu:.1f} × ({of.cpu:.3f} s CPU)", against)
        for which, of in (("first", first), ("second", second))
    ]
    peak = Row("memory of a second start, at most", f"{second.peak:.0f} MB", against)
    worker = Row("a worker's own memory after an epoch", f"{used[-1]:.1f} MB", f"{used[0]:.1f} MB after a batch")
    return [*starts, peak, worker]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[150_000], help="sizes of sets (default 150000)")
    parser.add_argument("--skeleton", default="coco17", help="what they are annotated with (default coco17)")
    parser.add_argument("--repeats", type=int, default=5, help="second starts; the median counts (default 5)")
    add_option(parser)
    options = parser.parse_args()
    found: list[Row] = []
    for people in options.people:
        with tempfile.TemporaryDirectory() as folder:
            os.environ[CACHE_VARIABLE] = folder
            found += measure(Path(folder), people, options.skeleton, options.repeats)
    write_rows(options.rows, found)


if __name__ == "__main__":
    main()
