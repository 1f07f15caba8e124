from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.structures import PoseBatch, get_skeleton

SKELETON = get_skeleton("coco17")
SCALE = 2.0


def people(count: int) -> tuple[Tensor, dict[str, Any], PoseBatch]:
    """Random people of one image each: their keypoints in image pixels, the ground truth and their batch.

    A crop shows the image at half its size, moved by (5, 3) image pixels.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((count, 17, 2), generator=generator) * torch.tensor([100.0, 200.0])
    to_image = torch.tensor([[SCALE, 0.0, 5.0], [0.0, SCALE, 3.0]])
    labelled = torch.cat((image, torch.full((count, 17, 1), 2.0)), dim=-1)
    truth = {
        "images": [{"id": i + 1, "width": 120, "height": 220} for i in range(count)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": i + 1,
                "category_id": 1,
                "keypoints": labelled[i].flatten().tolist(),
                "num_keypoints": 17,
                "bbox": [0.0, 0.0, 100.0, 200.0],
                "area": 10000.0,
                "iscrowd": 0,
            }
            for i in range(count)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    batch = PoseBatch(
        images=torch.zeros((count, 3, 4, 4), dtype=torch.uint8),
        keypoints_input=(image - to_image[:, 2]) / SCALE,
        weights=torch.ones(count, 17),
        input_to_image=to_image.expand(count, 2, 3),
        boxes_image=torch.tensor([[0.0, 0.0, 100.0, 200.0]]).expand(count, 4),
        box_scores=torch.ones(count),
        image_ids=torch.arange(count) + 1,
        sample_indices=torch.arange(count),
        dataset_indices=torch.zeros(count, dtype=torch.int64),
    )
    return image, truth, batch


def test_predictions_in_input_pixels_are_measured_in_image_pixels() -> None:
    _, truth, batch = people(6)
    evaluator = SetEvaluator(SKELETON, truth)
    evaluator.update(batch.keypoints_input + torch.tensor([1.5, -2.0]), torch.ones(6, 17), batch)
    figures = evaluator.compute()
    assert float(figures["EPE"]) == pytest.approx(SCALE * 2.5, rel=1e-5)
    assert float(figures["PCK@0.05"]) == 1  # 5 of 200 pixels
    similarity = np.exp(-(5.0**2) / (2 * 10000 * (2 * np.array(SKELETON.sigmas)) ** 2)).mean()
    assert float(figures["AP"]) == pytest.approx(np.mean(np.linspace(0.5, 0.95, 10) <= similarity))


def test_reset_forgets_what_was_added() -> None:
    _, truth, batch = people(3)
    evaluator = SetEvaluator(SKELETON, truth)
    evaluator.update(batch.keypoints_input + 100, torch.ones(3, 17), batch)
    evaluator.reset()
    evaluator.update(batch.keypoints_input, torch.ones(3, 17), batch)
    assert float(evaluator.compute()["AP"]) == 1
