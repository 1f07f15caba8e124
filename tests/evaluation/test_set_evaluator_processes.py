"""The figures of a data set in one, two and three processes; this file is also the program that each of them runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elifpose.datasets.sampler import OrderedSampler
from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.evaluation.settings import Evaluation
from elifpose.structures import PoseBatch, get_skeleton
from elifpose.structures.batch import to_image_frame

SKELETON = get_skeleton("coco17")
N, K, IMAGES = 23, 17, 9
SIZES = torch.tensor([60.0, 90.0])
WORLD_SIZES = (1, 2, 3)
PLANS = ("padded", "one without data", "nearly all twice")

Shard = list[list[int]]
"""What one process sees: batches of people."""


def shard(plan: str, rank: int, world_size: int) -> Shard:
    """The part of a process in one of the plans."""
    everyone = list(range(N))
    if plan == "padded":
        batches = OrderedSampler(N, 5, rank=rank, world_size=world_size)
        return [[key.sample for key in batch] for batch in batches]
    if plan == "one without data":
        with_data = max(1, world_size - 1)
        if rank >= with_data:
            return []
        cut = 4 if with_data > 1 else N
        return [everyone[:cut]] if rank == 0 else [everyone[cut:12], everyone[12:]]
    return [everyone[rank:][::-1], everyone[: 3 * rank]]


def people() -> tuple[dict[str, Any], PoseBatch, Tensor, Tensor]:
    """Ground truth with a crowd, the batch of everyone, and predictions that are right to different degrees."""
    generator = torch.Generator().manual_seed(5)
    image_ids = torch.arange(N) % IMAGES + 900_100_139_099  # beyond float32
    sizes = SIZES * torch.empty(N, 1).uniform_(0.5, 3.0, generator=generator)
    corners = torch.rand((N, 2), generator=generator) * 100
    true = corners[:, None] + torch.rand((N, K, 2), generator=generator) * sizes[:, None]
    to_image = torch.tensor([[1.5, 0.0, -7.3], [0.0, 1.5, 2.1]]).expand(N, 2, 3)
    true_image = to_image_frame(true, to_image)
    corners_image = to_image_frame(corners[:, None], to_image)[:, 0]
    weights = (torch.rand((N, K), generator=generator) < 0.7).float()
    error = torch.empty(N, 1, 1).uniform_(0.0, 0.08, generator=generator)
    keypoints = true + torch.randn((N, K, 2), generator=generator) * error * sizes[:, None]
    scores = (torch.rand((N, K), generator=generator) * 4).round() / 4  # with ties
    batch = PoseBatch(
        images=torch.zeros((N, 3, 2, 2), dtype=torch.uint8),
        keypoints_input=true,
        weights=weights,
        input_to_image=to_image,
        boxes_image=torch.cat((corners_image, 1.5 * sizes), dim=1),
        box_scores=torch.ones(N),
        areas=1.5**2 * sizes.prod(dim=1) * 0.53,
        image_ids=image_ids,
        sample_indices=torch.arange(N),
        dataset_indices=torch.zeros(N, dtype=torch.int64),
    )
    annotations = [
        {
            "id": index + 1,
            "image_id": int(image_ids[index]),
            "category_id": 1,
            "bbox": batch.boxes_image[index].tolist(),
            "area": float(batch.areas[index]),
            "iscrowd": int(index == 4),
            "num_keypoints": int(weights[index].sum()),
            "keypoints": torch.cat((true_image[index], 2 * weights[index, :, None]), dim=1).flatten().tolist(),
        }
        for index in range(N)
    ]
    images = [{"id": image_id, "width": 700, "height": 700} for image_id in sorted(set(image_ids.tolist()))]
    return {"images": images, "annotations": annotations}, batch, keypoints, scores


def evaluate(batches: Shard) -> Iterator[dict[str, str]]:
    """Figures over all processes, to the last bit, of the two ways to ask for them; and the results."""
    truth, batch, keypoints, scores = people()
    evaluator = SetEvaluator(SKELETON, truth, Evaluation(nme=("left_shoulder", "right_hip")))
    for rows in batches:
        part = PoseBatch(*(field[rows] for field in batch))
        evaluator.update(keypoints[rows], scores[rows], part)
    evaluation = evaluator.evaluate()
    yield {name: float(value).hex() for name, value in evaluation.figures.items()}
    yield {name: float(value).hex() for name, value in evaluator.compute().items()}
    yield {"results": json.dumps(evaluation.results()), "per keypoint": repr(evaluation.per_keypoint)}


def take_part(rank: int, world_size: int, folder: Path) -> None:
    """What one of several processes does."""
    store = f"file://{folder}/store{world_size}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=world_size)
    found = {plan: list(evaluate(shard(plan, rank, world_size))) for plan in PLANS}
    (folder / f"found{rank}of{world_size}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def main(folder: Path) -> None:
    """Start the processes of each world size as copies of one that has imported torch."""
    forking = get_context("fork")
    for world_size in WORLD_SIZES:
        ranks = [forking.Process(target=take_part, args=(rank, world_size, folder)) for rank in range(world_size)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        if any(process.exitcode for process in ranks):
            sys.exit(1)


def test_any_number_of_processes_gives_the_figures_of_one(tmp_path: Path) -> None:
    expected = list(evaluate([list(range(N))]))
    assert 0.2 < float.fromhex(expected[0]["AP"]) < 0.9
    command = [sys.executable, __file__, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    for world_size in WORLD_SIZES:
        for rank in range(world_size):
            found = json.loads((tmp_path / f"found{rank}of{world_size}.json").read_text())
            assert found == dict.fromkeys(PLANS, expected), (rank, world_size)


def test_the_plans_are_what_they_say() -> None:
    for world_size in WORLD_SIZES[1:]:
        for plan in PLANS:
            shards = [shard(plan, rank, world_size) for rank in range(world_size)]
            seen = [person for batches in shards for batch in batches for person in batch]
            assert set(seen) == set(range(N))
            assert (len(seen) > N) == (plan != "one without data")
            assert ([] in shards) == (plan == "one without data")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
