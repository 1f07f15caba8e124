"""What evaluation adds to the forward passes of a validation: update, gather and compute of `SetEvaluator`.

    python benchmarks/evaluation.py --images 5000 --forward-images 500

The network is RTMPose-t on random crops of 192 × 256, channels last, without a flip test, which would double the
forward passes: the strictest case. Forward passes and updates take turns in one process, which gathers from itself by
gloo. All is CPU time of one thread, so that a busy machine matters little; only the share means anything.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import PoseBatch, get_skeleton

SKELETON, INPUT_SIZE, BATCH_SIZE = get_skeleton("halpe26"), (192, 256), 64
K = SKELETON.num_keypoints


def random_people(images: int) -> tuple[dict[str, Any], PoseBatch, Tensor, Tensor]:
    """One person in each image.

    Returns:
        The ground truth, everyone in one batch, and predictions: keypoints in input pixels, and scores.
    """
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.rand((images, K, 2), generator=generator) * torch.tensor(INPUT_SIZE)
    weights = (torch.rand((images, K), generator=generator) < 0.8).float()
    zoom = 0.5 + 2.0 * torch.rand(images, generator=generator)
    matrices = torch.zeros(images, 2, 3)
    matrices[:, 0, 0] = matrices[:, 1, 1] = zoom
    boxes = torch.tensor([0.0, 0.0, *INPUT_SIZE]) * zoom[:, None]
    areas = 0.53 * boxes[:, 2] * boxes[:, 3]
    batch = PoseBatch(
        images=torch.randint(0, 256, (BATCH_SIZE, 3, *INPUT_SIZE[::-1]), dtype=torch.uint8, generator=generator),
        keypoints_input=keypoints,
        weights=weights,
        input_to_image=matrices,
        boxes_image=boxes,
        box_scores=torch.ones(images),
        areas=areas,
        image_ids=torch.arange(images),
        sample_indices=torch.arange(images),
        dataset_indices=torch.zeros(images, dtype=torch.int64),
    )
    triples = torch.cat((keypoints * zoom[:, None, None], 2 * weights[..., None]), dim=-1)
    columns = (triples.flatten(1).tolist(), boxes.tolist(), areas.tolist())
    people = [
        {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "keypoints": points, "bbox": box, "area": area}
        for i, (points, box, area) in enumerate(zip(*columns, strict=True))
    ]
    spread = 20.0 * torch.rand((images, 1, 1), generator=generator)
    predicted = keypoints + spread * torch.randn(keypoints.shape, generator=generator)
    truth = {"images": [{"id": i} for i in range(images)], "annotations": people}
    return truth, batch, predicted, torch.rand((images, K), generator=generator)


def seconds(function: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(images: int, forward_images: int) -> None:
    """Run a validation and print what its parts took."""
    truth, everyone, keypoints, scores = random_people(images)
    network = PoseEstimator(CSPNeXt(0.167, 0.375), RTMCCHead(384, K, INPUT_SIZE)).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    crops = everyone.images.contiguous(memory_format=torch.channels_last)
    network(crops)
    evaluator = SetEvaluator(SKELETON, truth)
    forward = update = 0.0
    forwarded = 0
    for start in range(0, images, BATCH_SIZE):
        rows = slice(start, min(start + BATCH_SIZE, images))
        batch = PoseBatch(crops, *(values[rows] for values in everyone[1:]))
        if forwarded < forward_images:
            size = rows.stop - rows.start
            forward += seconds(lambda: network(crops[:size]))  # noqa: B023 - called at once
            forwarded += size
        update += seconds(lambda: evaluator.update(keypoints[rows], scores[rows], batch))  # noqa: B023
    forward *= images / forwarded
    start_of_gather = time.process_time()
    evaluation = evaluator.evaluate()
    gather, compute = time.process_time() - start_of_gather, seconds(lambda: evaluation.figures)
    per_keypoint = seconds(lambda: evaluation.per_keypoint)
    interval = seconds(lambda: evaluation.interval(1000))

    scaled = "" if forwarded == images else f", scaled from {forwarded} images"
    print(f"{images} images of one person, {K} keypoints, AP {evaluation.figures['AP']:.3f}; CPU time")
    print(f"{'':44}{'seconds':>10}{'share':>10}")
    added = update + gather + compute
    for name, value in (
        (f"forward passes{scaled}", forward),
        ("update", update),
        ("gather and score", gather),
        ("compute", compute),
        ("update, gather and compute together", added),
        ("validate only: figures per keypoint", per_keypoint),
        ("validate only: interval of 1000 draws", interval),
    ):
        print(f"{name:44}{value:10.3f}{value / forward:10.2%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000, help="images that are evaluated (default 5000)")
    parser.add_argument(
        "--forward-images", type=int, help="time the forward passes of so many and scale to all (default all)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        measure(options.images, options.forward_images or options.images)
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
