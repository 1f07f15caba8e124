from types import SimpleNamespace
from typing import Any, cast

import pytest

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.training.callbacks import AugmentationSwitch
from elifpose.utils.errors import ElifPoseError


def set_up(final_epochs: int, max_epochs: int | None, datamodule: object) -> None:
    trainer = SimpleNamespace(max_epochs=max_epochs, datamodule=datamodule)
    AugmentationSwitch(final_epochs).setup(cast("Any", trainer), cast("Any", None), "fit")


@pytest.mark.parametrize(("final_epochs", "switch_epoch"), [(30, 390), (0, None), (500, 0)])
def test_the_data_module_learns_the_first_epoch_of_stage_2(final_epochs: int, switch_epoch: int | None) -> None:
    sets = {"coco": PoseSet("a.json", "a")}
    datamodule = PoseDataModule(sets, sets)
    set_up(final_epochs, 420, datamodule)
    assert datamodule.switch_epoch == switch_epoch


def test_a_fit_without_end_or_data_module_is_refused() -> None:
    sets = {"coco": PoseSet("a.json", "a")}
    with pytest.raises(ElifPoseError, match="max_epochs"):
        set_up(30, -1, PoseDataModule(sets, sets))
    with pytest.raises(ElifPoseError, match="PoseDataModule"):
        set_up(30, 420, None)
    with pytest.raises(ElifPoseError, match="final_epochs"):
        AugmentationSwitch(-1)
