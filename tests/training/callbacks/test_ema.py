import json
import math
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from elifpose.training.callbacks import ExponentialMovingAverage
from elifpose.utils.errors import ElifPoseError


class Trajectory(nn.Module):
    b: Tensor
    n: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.register_buffer("b", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("n", torch.zeros((), dtype=torch.int64))

    def move_to(self, step: int) -> None:
        self.w.data = math.sin(0.01 * step) + torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
        self.b = torch.tensor([0.001 * step, -0.002 * step], dtype=torch.float64)
        self.n.fill_(step)


def test_the_average_is_the_recipes_at_every_stored_step(reference: Path) -> None:
    stored = json.loads((reference / "ema_expmomentum.json").read_text())
    callback = ExponentialMovingAverage(momentum=stored["momentum"], gamma=stored["gamma"])
    model = Trajectory()
    average = AveragedModel(model, use_buffers=True, **callback._kwargs)
    for step in range(1001):
        model.move_to(step)
        average.update_parameters(model)
        if str(step) in stored["values"]:
            expected = stored["values"][str(step)]
            averaged = cast("Trajectory", average.module)
            assert averaged.w.tolist() == pytest.approx(expected["w"], abs=1e-6), step
            assert averaged.b.tolist() == pytest.approx(expected["b"], abs=1e-6), step
            assert int(averaged.n) == step, "whole-number buffers are copied, not averaged"


@pytest.mark.parametrize(("momentum", "gamma"), [(0.0, 1.0), (1.5, 1.0), (0.1, 0.0)])
def test_impossible_settings_are_refused(momentum: float, gamma: float) -> None:
    with pytest.raises(ElifPoseError, match="momentum"):
        ExponentialMovingAverage(momentum=momentum, gamma=gamma)
