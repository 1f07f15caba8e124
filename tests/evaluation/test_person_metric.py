import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elifpose.evaluation import KeypointAP
from elifpose.evaluation.person_metric import unique_persons

WORKER = """
import json, os, sys, torch
from elifpose.evaluation import KeypointAP
folder = sys.argv[1]
other = os.fork()  # a process that has imported torch already
rank = int(other == 0)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
people = torch.load(f"{folder}/people.pt")
truth, sigmas, plans = json.load(open(f"{folder}/plan.json"))
found = []
for plan in plans:
    ap = KeypointAP(sigmas, truth)
    for batch in plan[rank]:
        rows = {name: values[batch] for name, values in people.items()}
        keys = rows["images"], rows["samples"]
        ap.update(rows["keypoints"].double(), rows["scores"], rows["boxes"][:, 0], *keys)
    figures = ap.compute()
    own = sum(len(batch) for batch in plan[rank])
    assert sum(len(tensor) for tensor in ap.image_ids) == own, "the gathered rows replaced the process's own"
    found.append([{name: float(value).hex() for name, value in figures.items()}, ap.results()])
json.dump(found, open(f"{folder}/found{rank}.json", "w"))
torch.distributed.destroy_process_group()
if other:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""

K, N = 5, 24


def random_people() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    true = torch.rand(N, K, 2, generator=generator) * 200
    return {
        "true": true,
        "keypoints": true + torch.randn(N, K, 2, generator=generator) * 12,
        "scores": (torch.rand(N, K, generator=generator) * 4).round() / 4,  # with ties
        "boxes": torch.tensor([1.0, 1.0, 200.0, 200.0]).repeat(N, 1),
        "images": torch.arange(N) // 3,
        "samples": torch.arange(N),
    }


def coco(people: dict[str, Tensor]) -> dict[str, Any]:
    annotations = [
        {
            "id": index,
            "image_id": int(people["images"][index]),
            "category_id": 1,
            "bbox": [0, 0, 200, 200],
            "keypoints": np.column_stack((people["true"][index], np.full(K, 2))).ravel().tolist(),
        }
        for index in range(N)
    ]
    return {"images": [{"id": image} for image in range(N // 3)], "annotations": annotations}


def in_two_processes(folder: Path) -> list[Any]:
    command = [sys.executable, "-c", WORKER, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_give_the_figures_of_one(tmp_path: Path) -> None:
    people, everyone = random_people(), list(range(N))
    truth, sigmas = coco(people), [0.1] * K
    plans = [
        [[everyone[:7], everyone[7:]], []],  # the second process sees nobody
        [[everyone[1::2]], [everyone[0::2][:5], everyone[0::2][5:], everyone[:3]]],  # uneven, padded
        [[everyone[5:]], [everyone[::-1]]],  # nearly everyone twice, backwards
    ]
    torch.save(people, tmp_path / "people.pt")
    (tmp_path / "plan.json").write_text(json.dumps([truth, sigmas, plans]))

    ap = KeypointAP(sigmas, truth)
    keys = people["images"], people["samples"]
    ap.update(people["keypoints"], people["scores"], people["boxes"][:, 0], *keys)
    figures = {name: float(value).hex() for name, value in ap.compute().items()}
    assert 0.1 < ap.compute()["AP"] < 0.9
    for of_rank in in_two_processes(tmp_path):
        assert of_rank == [[figures, ap.results()]] * len(plans)


def test_equal_samples_of_different_images_are_different_people() -> None:
    image_ids, samples = torch.tensor([2, 1, 2, 1, 1]), torch.tensor([0, 0, 0, 1, 0])
    assert unique_persons(image_ids, samples).tolist() == [1, 3, 0]


def nobody() -> KeypointAP:
    return KeypointAP([0.1] * K, {"images": [], "annotations": []})


def test_keys_are_exact_beyond_the_precision_of_floats() -> None:
    image_ids = torch.tensor([900_100_139_099, 900_100_139_100, 2**53 + 1, 2**53])
    metric = nobody()
    metric.update(torch.zeros(4, K, 2), torch.zeros(4, K), torch.ones(4), image_ids, torch.zeros(4))
    assert metric._persons()["image_ids"].tolist() == sorted(image_ids.tolist())


@pytest.mark.parametrize("updates", [0, 1, 3])
def test_reset_leaves_what_a_new_metric_has(updates: int) -> None:
    metric = nobody()
    for _ in range(updates):
        metric.update(*(torch.zeros(4, *shape) for shape in ((K, 2), (K,), (), (), ())))
    metric.reset()
    for name in metric._columns:
        fresh, again = getattr(nobody(), name), getattr(metric, name)
        assert [(each.shape, each.dtype) for each in again] == [(each.shape, each.dtype) for each in fresh]
