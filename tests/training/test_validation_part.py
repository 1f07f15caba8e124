from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training.module import ElifPoseModule
from elifpose.training.validation_part import ValidationPart
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)


class Memory(nn.Module):
    """Knows each crop's keypoints, and misses those of the people whose index divides by three."""

    def __init__(self, data: PoseDataModule, mistaken: bool) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.zeros(()))
        self.codec = SimCC(SIZE)
        self.known = {}
        for data_set in data.val_sets.values():
            for index in range(len(data_set)):
                sample = data_set[index]
                miss = 5.0 if mistaken and index % 3 == 0 else 0.0
                self.known[sample.image.tobytes()] = torch.from_numpy(sample.keypoints_input + miss)

    def forward(self, images: Tensor) -> Any:
        crops = images.permute(0, 2, 3, 1).contiguous().numpy()
        keypoints = torch.stack([self.known[crop.tobytes()] for crop in crops])
        return self.codec.encode(keypoints, torch.ones(keypoints.shape[:2]))[:2]


@pytest.fixture
def data(rendered: Path) -> PoseDataModule:
    sets = {
        name: PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")
        for name, split in (("a", "val2017"), ("b", "train2017"))
    }
    data = PoseDataModule(sets, sets, root=str(rendered), input_size=SIZE, batch_size=3, num_workers=0)
    data.setup("validate")
    return data


def module() -> ElifPoseModule:
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    return ElifPoseModule(network, SimCC(SIZE), flip_test=False)


def test_of_all_people_ap_is_that_of_a_validation(data: PoseDataModule, tmp_path: Path) -> None:
    of_all = module()
    memory = cast("PoseEstimator", Memory(data, mistaken=True))
    people = sum(len(of_set) for of_set in data.val_sets.values())
    part = ValidationPart(data, 10 * people)
    assert len(part) == people
    found = part.average_precision(memory, of_all)
    of_all.network = memory
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, default_root_dir=tmp_path, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.validate(of_all, datamodule=data, verbose=False)
    assert found == pytest.approx(float(trainer.callback_metrics["val/AP"]), abs=1e-6)
    assert 0.05 < found < 0.95


def test_people_of_images_that_were_not_taken_are_not_missed(data: PoseDataModule) -> None:
    part = ValidationPart(data, 8)
    everyone = sum(len(of_set) for of_set in data.val_sets.values())
    assert 4 <= len(part) < everyone
    assert part.average_precision(cast("PoseEstimator", Memory(data, mistaken=False)), module()) == pytest.approx(1)


def test_images_are_distinct_crops_and_as_many_as_asked_for(data: PoseDataModule) -> None:
    part = ValidationPart(data, 16)
    images = part.images(5)
    assert images.shape == (5, 3, 64, 64)
    assert len({image.numpy().tobytes() for image in images}) == 5
    assert len(part.images(1000)) == len(part)


def test_nobody_is_refused(data: PoseDataModule) -> None:
    with pytest.raises(ElifPoseError, match="not 0"):
        ValidationPart(data, 0)
