"""Times `KeypointAP.compute` against plain pycocotools on the same random people, side by side.

    python benchmarks/oks.py --people 6352 --detections 11000 99000

All give the ten COCO keypoint statistics; that they are equal is checked first. The first size is about COCO val2017
with its annotated people's boxes and some more, the second with all boxes of a detector.
"""

import argparse
import contextlib
import copy
import gc
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rows import Row, add_option, write_rows

from elifpose.evaluation import KeypointAP
from elifpose.structures import get_skeleton

SKELETON = get_skeleton("coco17")
IMAGES_PER_PERSON, SHARE_WITH_PEOPLE = 5000 / 6352, 0.47  # as in COCO val2017
NEAR_PER_PERSON = 1.7  # detections; all others are somewhere


def random_set(people: int, detections: int, seed: int) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """A ground truth and detections: near people, and false ones.

    Returns:
        A COCO JSON and the arguments of `KeypointAP.update`.
    """
    rng = np.random.default_rng(seed)
    K, images = SKELETON.num_keypoints, max(2, round(people * IMAGES_PER_PERSON))
    image_ids = np.sort(rng.integers(0, round(images * SHARE_WITH_PEOPLE), people))
    sizes = rng.uniform(30, 300, (people, 2))
    corners = rng.uniform(0, 400, (people, 2))
    points = corners[:, None] + rng.random((people, K, 2)) * sizes[:, None]
    visibility = rng.integers(0, 3, (people, K)) * (rng.random((people, 1)) > 0.05)
    annotations = [
        {
            "id": i + 1,
            "image_id": int(image_ids[i]),
            "category_id": 1,
            "iscrowd": int(i % 50 == 0),
            "bbox": [*corners[i].tolist(), *sizes[i].tolist()],
            "area": 0.53 * float(sizes[i].prod()),
            "num_keypoints": int((visibility[i] > 0).sum()),
            "keypoints": np.column_stack((points[i], visibility[i])).ravel().tolist(),
        }
        for i in range(people)
    ]
    ground_truth = {
        "images": [{"id": number} for number in range(images)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    source = rng.integers(0, people, detections)
    near = np.arange(detections) < people * NEAR_PER_PERSON
    spread = 0.02 * sizes[source].max(axis=1) * rng.choice((0.5, 1.0, 4.0), detections)
    detected = points[source] + rng.standard_normal((detections, K, 2)) * spread[:, None, None]
    detected += np.where(near, 0, rng.uniform(-400, 400, (2, detections))).T[:, None]
    arrays = (
        detected.astype(np.float32),
        rng.uniform(0, 1, (detections, K)).astype(np.float32),
        rng.uniform(0, np.where(near, 1.0, 0.5)).astype(np.float32),
        np.where(near, image_ids[source], rng.integers(0, images, detections)),
        np.arange(detections),
        np.concatenate((corners, sizes), axis=1)[source].astype(np.float32),
    )
    return ground_truth, [torch.from_numpy(array) for array in arrays]


def statistics_of(truth: COCO, detections: COCO) -> list[float]:
    """The ten statistics by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(truth, detections, "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(figure) for figure in evaluator.stats]


def indexed(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> tuple[COCO, COCO]:
    """Two JSONs in memory as pycocotools' own example loads them."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        return truth, truth.loadRes(detections)


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    gc.collect()  # nobody pays for another's waste
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Contest:
    """Ways to the ten figures of one random set.

    Args:
        people: In the ground truth.
        detections: Of them and of nobody.
        seed: Of the set.
    """

    def __init__(self, people: int, detections: int, seed: int) -> None:
        self.ground_truth, self.rows = random_set(people, detections, seed)
        self.metric = KeypointAP(SKELETON.sigmas, self.ground_truth)
        self.metric.update(*self.rows)
        self.results = self.metric.results()

    def figures(self) -> dict[str, list[float]]:
        """Of everyone."""
        return {
            "pycocotools": statistics_of(*indexed(self.ground_truth, copy.deepcopy(self.results))),
            "KeypointAP.compute": [float(each) for each in self.metric.compute().values()],
        }

    def round(self) -> dict[str, float]:
        """Seconds of everyone, one after the other; nobody finds another's objects in memory."""
        self.metric.update(*(values[:0] for values in self.rows))  # forgets the last result, adds nobody
        return {
            "pycocotools": self._by_pycocotools(),
            "pycocotools, already loaded": self._by_pycocotools(loaded=True),
            "KeypointAP.compute": seconds(self.metric.compute),
        }

    def _by_pycocotools(self, loaded: bool = False) -> float:
        detections = copy.deepcopy(self.results)  # pycocotools writes into them
        if loaded:
            cocos = indexed(self.ground_truth, detections)
            return seconds(lambda: statistics_of(*cocos))
        return seconds(lambda: statistics_of(*indexed(self.ground_truth, detections)))


def measure(people: int, detections: int, seed: int, repeats: int) -> Row:
    """Check that the figures are equal, time everyone in turns, and print."""
    contest = Contest(people, detections, seed)
    expected, *others = contest.figures().values()
    difference = max(float(np.abs(np.subtract(expected, found)).max()) for found in others)
    if difference > 1e-9:
        raise SystemExit(f"the figures differ by {difference}")
    rounds = [contest.round() for _ in range(repeats)]
    print(
        f"{people} people, {detections} detections, AP {expected[0]:.3f}; "
        f"the ten figures differ by {difference:.0e} at most"
    )
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    ratios = {
        name: (medians["pycocotools"] / median, medians["pycocotools, already loaded"] / median)
        for name, median in medians.items()
    }
    print(f"{'':34}{'seconds':>10}{'times as fast as pycocotools':>32}{'already loaded':>18}")
    for name, (ratio, of_loaded) in ratios.items():
        print(f"{name:34}{medians[name]:10.3f}{ratio:32.1f}{of_loaded:18.1f}")
    ratio, of_loaded = ratios["KeypointAP.compute"]
    against = f"pycocotools; {of_loaded:.1f} × if it has loaded both already"
    return Row(f"OKS AP of {people:,} people, {detections:,} detections", f"{ratio:.1f} ×", against)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6352, help="people in the ground truth (default 6352)")
    parser.add_argument("--detections", type=int, nargs="+", default=[11000], help="of all images (default 11000)")
    parser.add_argument("--repeats", type=int, default=3, help="alternating runs of each; the median counts")
    parser.add_argument("--seed", type=int, default=0)
    add_option(parser)
    options = parser.parse_args()
    write_rows(
        options.rows,
        [measure(options.people, detections, options.seed, options.repeats) for detections in options.detections],
    )


if __name__ == "__main__":
    main()
