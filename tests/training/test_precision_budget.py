import copy
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import LayerError, QuantizationSpec, calibrate, convert, is_prepared, prepare, quantizers
from elifpose.quantization.convert import IntegerPoint
from elifpose.quantization.spec import Observer
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.precision_budget import search_budget
from elifpose.training.validation_part import ValidationPart

WORST = ("backbone.stem.0", "head.cls_x", "head.mlp.1", "backbone.stem.2", "head.gau.o")
ERRORS = [LayerError(name, 30.0, 1.0 / (1 + rank), 2.0) for rank, name in enumerate(WORST)]
WITH_POINTS = tuple(name for name in WORST if name != "head.cls_x")  # logits have no point
MODULE = cast("EvaluatingModule", None)


class Judge:
    """Gives the float network an AP of 0.8 and an integer one 0.01 less for each of the worst that has 8 bits."""

    def __init__(self, each: float = 0.01) -> None:
        self.each = each
        self.judged: list[nn.Module] = []

    def __len__(self) -> int:
        return 7

    def average_precision(self, network: nn.Module, _: EvaluatingModule) -> float:
        if is_prepared(network):
            assert not any(quantizer.quantizing for _, quantizer in quantizers(network))
            return 0.8
        self.judged.append(network)
        names = ("backbone.stem.0.point", "head.mlp_point", "backbone.stem.2.point", "head.gau.o_point")
        points = [network.get_submodule(name) for name in names]
        return 0.8 - self.each * sum(isinstance(point, IntegerPoint) and point.bits == 8 for point in points)


def images() -> Tensor:
    return torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def prepared(observer: Observer = "minmax", wide: tuple[str, ...] = ()) -> PoseEstimator:
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 5, (64, 64), hidden_dims=32))
    prepare(network.eval(), QuantizationSpec(observer=observer, sixteen_bit_layers=wide))
    calibrate(network, [images()])
    return network


@pytest.mark.parametrize(
    ("budget", "tried", "proposed"),
    [
        (0.05, [0], ()),
        (0.035, [0, 1], WITH_POINTS[:1]),
        (0.025, [0, 1, 2], WITH_POINTS[:2]),
        (0.0, [0, 1, 2, 4], WITH_POINTS),
    ],
)
def test_the_fewest_of_the_worst_layers_that_keep_the_budget(
    budget: float, tried: list[int], proposed: tuple[str, ...]
) -> None:
    search = search_budget(prepared(), ERRORS, cast("ValidationPart", Judge()), MODULE, budget)
    assert [len(trial.layers) for trial in search.trials] == tried
    assert search.proposal == proposed
    assert (search.float_ap, search.people, search.budget) == (0.8, 7, budget)
    losses = [search.loss(trial) for trial in search.trials]
    assert losses == pytest.approx([0.04 - 0.01 * count for count in tried])


def test_where_nothing_helps_nothing_is_proposed() -> None:
    judge = Judge()
    judge.average_precision = lambda network, _: 0.8 if is_prepared(network) else 0.5  # type: ignore[method-assign]
    search = search_budget(prepared(), ERRORS, cast("ValidationPart", judge), MODULE, 0.1)
    assert [len(trial.layers) for trial in search.trials] == [0, 1, 2, 4]
    assert search.proposal is None


@pytest.mark.parametrize("observer", ["minmax", "learned"])
def test_16_bits_are_those_of_a_network_that_had_them_from_the_start(observer: Observer) -> None:
    judge, network = Judge(), prepared(observer)
    before = copy.deepcopy(network)
    search_budget(network, ERRORS, cast("ValidationPart", judge), MODULE, 0.0)
    torch.testing.assert_close(network.state_dict(), before.state_dict(), rtol=0, atol=0)
    assert all(quantizer.bits == 8 and quantizer.quantizing for _, quantizer in quantizers(network))
    for found, wide in ((judge.judged[0], ()), (judge.judged[-1], WITH_POINTS)):
        expected = convert(prepared(observer, wide))
        points = {name: point for name, point in expected.named_modules() if isinstance(point, IntegerPoint)}
        for name, point in points.items():
            of_found = cast("IntegerPoint", found.get_submodule(name))
            assert of_found.bits == point.bits, name
            assert of_found.scale == pytest.approx(point.scale, rel=1e-5), name
            assert of_found.zero_point == pytest.approx(point.zero_point, abs=130 if point.bits == 16 else 0), name
