"""Times `KeypointAP.compute` against plain pycocotools on the same random people, side by side.

    python benchmarks/oks.py --people 3000 --repeats 5

Both give the ten COCO keypoint statistics; that they are equal is checked first.
"""

import argparse
import contextlib
import copy
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.evaluation import KeypointAP
from elifpose.structures import get_skeleton

SKELETON = get_skeleton("coco17")
PEOPLE_PER_IMAGE, DETECTIONS_PER_PERSON = 2.3, 1.7  # about COCO val2017 with a detector's boxes


def random_set(people: int, seed: int) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """A ground truth and detections: near people, and false ones.

    Returns:
        A COCO JSON and the arguments of `KeypointAP.update`.
    """
    rng = np.random.default_rng(seed)
    K, images = SKELETON.num_keypoints, max(1, round(people / PEOPLE_PER_IMAGE))
    image_ids = np.sort(rng.integers(0, images, people))
    sizes = rng.uniform(30, 300, (people, 2))
    corners = rng.uniform(0, 400, (people, 2))
    points = corners[:, None] + rng.random((people, K, 2)) * sizes[:, None]
    visibility = rng.integers(0, 3, (people, K))
    annotations = [
        {
            "id": i + 1,
            "image_id": int(image_ids[i]),
            "category_id": 1,
            "iscrowd": 0,
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
    source = rng.integers(0, people, round(people * DETECTIONS_PER_PERSON))
    spread = 0.02 * sizes[source].max(axis=1) * rng.choice((0.5, 1.0, 4.0), len(source))
    detected = points[source] + rng.standard_normal((len(source), K, 2)) * spread[:, None, None]
    boxes = np.concatenate((corners, sizes), axis=1)[source]
    arrays = (
        detected.astype(np.float32),
        rng.uniform(0, 1, (len(source), K)).astype(np.float32),
        rng.uniform(0, 1, len(source)).astype(np.float32),
        image_ids[source],
        np.arange(len(source)),
        boxes.astype(np.float32),
    )
    return ground_truth, [torch.from_numpy(array) for array in arrays]


def by_pycocotools(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> list[float]:
    """The statistics of two JSONs in memory, as pycocotools' own example computes them."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(detections), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(figure) for figure in evaluator.stats]


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3000, help="people in the ground truth (default 3000)")
    parser.add_argument("--repeats", type=int, default=5, help="alternating runs of each; the median counts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    ground_truth, rows = random_set(options.people, options.seed)
    metric = KeypointAP(SKELETON.sigmas, ground_truth)
    start = time.perf_counter()
    for first in range(0, len(rows[0]), 128):
        metric.update(*(values[first : first + 128] for values in rows))
    update = time.perf_counter() - start
    results = metric.results()
    figures = [float(figure) for figure in metric.compute().values()]
    difference = float(np.abs(np.subtract(figures, by_pycocotools(ground_truth, copy.deepcopy(results)))).max())
    if difference > 1e-9:
        raise SystemExit(f"the figures differ by {difference}")

    ours, reference = [], []
    for _ in range(options.repeats):
        metric.update(*(values[:0] for values in rows))  # forgets the last result, adds nobody
        ours.append(seconds(metric.compute))
        detections = copy.deepcopy(results)  # pycocotools writes into them
        reference.append(seconds(lambda: by_pycocotools(ground_truth, detections)))  # noqa: B023
    median, against = statistics.median(ours), statistics.median(reference)
    print(
        f"{options.people} people, {len(results)} detections, AP {figures[0]:.3f}; "
        f"the ten figures differ by {difference:.0e} at most"
    )
    print(f"{'':32}{'seconds':>10}{'ratio':>10}")
    for name, value in (("pycocotools", against), ("KeypointAP.compute", median), ("KeypointAP.update, all", update)):
        print(f"{name:32}{value:10.3f}{value / against:10.3f}")


if __name__ == "__main__":
    main()
