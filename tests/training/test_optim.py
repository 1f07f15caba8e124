import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training.optim import FlatCosine, learning_rate_factor, parameter_groups
from elifpose.utils.errors import ElifPoseError


def test_the_learning_rate_is_the_recipes_at_every_stored_step(reference: Path) -> None:
    stored = json.loads((reference / "lr_schedule.json").read_text())
    schedule = FlatCosine(warmup_fraction=1.0)
    steps = stored["iters_per_epoch"] * stored["epochs"]
    for step, rate in stored["lr_at_iter"].items():
        assert stored["base_lr"] * schedule.factor(int(step), steps) == pytest.approx(rate, rel=1e-10), step


def test_a_short_fit_warms_up_for_its_share_and_ends_at_the_floor() -> None:
    schedule = FlatCosine(warmup_steps=1000, warmup_fraction=0.05, flat_fraction=0.5, final_factor=0.1)
    factors = [schedule.factor(step, 200) for step in range(201)]
    assert factors[0] == pytest.approx(1e-5)
    assert factors[9:101] == [1.0] * 92
    assert factors[8] < 1
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[101:]))
    assert factors[150] == pytest.approx(0.1 + 0.9 / 2)
    assert factors[200] == pytest.approx(0.1)


@pytest.mark.parametrize("total_steps", [1, 2, 19, 20, 21, 400])
def test_every_length_of_fit_has_a_learning_rate(total_steps: int) -> None:
    factors = [FlatCosine().factor(step, total_steps) for step in range(total_steps + 1)]
    assert all(0 < factor <= 1 for factor in factors)


def test_the_scheduler_steps_through_the_factors() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = FlatCosine(warmup_fraction=0.2)
    scheduler = schedule.scheduler(optimizer, 50)
    for step in range(50):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * schedule.factor(step, 50))
        optimizer.step()
        scheduler.step()


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ElifPoseError, match="fractions between 0 and 1"):
        FlatCosine(flat_fraction=1.5)


def test_decay_acts_as_in_the_recipe_except_on_scales_and_offsets(reference: Path) -> None:
    stored = json.loads((reference / "optim_groups_rtmpose-m.json").read_text())
    with torch.device("meta"):
        network = PoseEstimator(CSPNeXt(0.67, 0.75), RTMCCHead(768, 26, (192, 256)))
    names = {parameter: name for name, parameter in network.named_parameters()}
    decayed, free = ({names[parameter] for parameter in group["params"]} for group in parameter_groups(network))
    scales = {"head.mlp.0.g", "head.gau.ln.g", "head.gau.gamma", "head.gau.beta", "head.gau.res_scale.scale"}
    assert decayed == set(stored["decay"]) - scales
    assert free == set(stored["no_decay"]) | scales
    assert parameter_groups(network)[1]["weight_decay"] == 0


def test_frozen_parameters_are_in_no_group() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    (group,) = parameter_groups(layer)
    assert group["params"] == [layer.bias]


def test_the_learning_rate_follows_small_batches_only() -> None:
    assert learning_rate_factor("sqrt", 256, 1024) == pytest.approx(0.5)
    assert learning_rate_factor("linear", 256, 1024) == pytest.approx(0.25)
    assert learning_rate_factor("constant", 256, 1024) == 1
    assert learning_rate_factor("linear", 8192, 1024) == 1
