from pathlib import Path

import pytest
import torch

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Precision
from elifpose.export.quantize import network_of
from elifpose.export.source import Source
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.quantization import calibrate, is_prepared, prepare, set_quantizing
from elifpose.quantization.convert import IntegerConv2d
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)
IMAGES = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def source(trained_quantized: bool) -> Source:
    torch.manual_seed(0)
    head = RTMCCHead(64, 17, SIZE, hidden_dims=32, stride=16)
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), head).eval()
    if trained_quantized:
        prepare(network)
        calibrate(network, [IMAGES])
    return Source(Path("some.ckpt"), network, COCO17, SimCC(SIZE), None, "", {})


@torch.no_grad()
def test_float_networks_stay_what_they_are() -> None:
    of = source(trained_quantized=False)
    expected, found = of.network(IMAGES), network_of(of, "float16", None)
    assert not found.training
    assert all(torch.equal(now, then) for now, then in zip(found(IMAGES), expected, strict=True))


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("trained", [True, False])
def test_the_source_stays_what_it_is(trained: bool, precision: Precision) -> None:
    of = source(trained)
    before = {name: value.clone() for name, value in of.network.state_dict().items()}
    network_of(of, precision, None if trained else [IMAGES])
    assert is_prepared(of.network) == trained
    after = of.network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


@torch.no_grad()
def test_a_quantized_checkpoint_gives_its_float_network() -> None:
    of = source(trained_quantized=True)
    set_quantizing(of.network, False)
    expected = of.network(IMAGES)
    found = network_of(of, "float32", None)
    assert not is_prepared(found)
    for first, second in zip(expected, found(IMAGES), strict=True):
        torch.testing.assert_close(second, first, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_integers_of_both_ways_are_the_same_for_the_same_people() -> None:
    trained, calibrated = source(trained_quantized=True), source(trained_quantized=False)
    networks = network_of(trained, "int8", None), network_of(calibrated, "int8", [IMAGES])
    for network in networks:
        assert sum(isinstance(module, IntegerConv2d) for module in network.modules()) > 10
    for first, second in zip(*(network(IMAGES) for network in networks), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("trained", "crops", "said"),
    [(True, [IMAGES], "was trained quantized; leave the option out"), (False, None, "is of a float network; give")],
)
def test_what_cannot_be_quantized_is_refused(trained: bool, crops: list[torch.Tensor] | None, said: str) -> None:
    with pytest.raises(ElifPoseError, match=f"some.ckpt {said}"):
        network_of(source(trained), "int8", crops)
