"""People in grey crops."""

from collections.abc import Callable

import pytest
import torch

from elifpose.structures import PoseBatch

MakeBatch = Callable[[int], PoseBatch]


@pytest.fixture
def grey_batch() -> MakeBatch:
    """Grey crops of 48 × 64, as large as they are in the image, with all 17 keypoints annotated along x = 10."""

    def make(people: int) -> PoseBatch:
        column = torch.stack((torch.full((17,), 10.0), torch.linspace(4, 60, 17)), dim=1)
        return PoseBatch(
            images=torch.full((people, 3, 64, 48), 128, dtype=torch.uint8),
            keypoints_input=column.repeat(people, 1, 1),
            weights=torch.ones(people, 17),
            input_to_image=torch.eye(2, 3).repeat(people, 1, 1),
            boxes_image=torch.tensor([[0.0, 0.0, 48.0, 64.0]]).repeat(people, 1),
            box_scores=torch.ones(people),
            areas=torch.full((people,), 1600.0),
            image_ids=torch.arange(people),
            sample_indices=torch.arange(people),
            dataset_indices=torch.zeros(people, dtype=torch.int64),
        )

    return make
