import copy
from typing import cast

import numpy as np
import pytest
import torch
from networks import settled
from torch import Tensor, nn

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, rtmlib_contract
from elifpose.export.wrapper import KeypointNetwork, SimccNetwork, input_change, input_dtype, wrap
from elifpose.models import CSPNeXt, CSPNeXtPAFPN, PoseEstimator, RTMCCHead
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare

SIZE = (64, 96)
CODEC = SimCC(SIZE, refine=True)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
OTHER_MEAN, OTHER_STD = (90.0, 110.0, 130.0), (50.0, 60.0, 70.0)
RAW = Contract(SIZE, 2.0, "simcc", normalised=False, channels="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)
NORMALISED = RAW._replace(normalised=True, mean=MEAN, std=STD)


def _images(count: int, width: int, height: int) -> Tensor:
    """Coloured squares: of mere noise a network says much the same, whatever the noise."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (count, 3, height // 16, width // 16), dtype=torch.uint8, generator=generator)
    return colours.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)


IMAGES = _images(3, *SIZE)


@pytest.fixture(scope="module", params=["plain", "neck"])
def network(request: pytest.FixtureRequest) -> PoseEstimator:
    """A network of another mean and std than the usual ones."""
    torch.manual_seed(0)
    backbone, neck, channels = CSPNeXt(0.1, 0.125, out_stages=(1, 2)), None, 32
    if request.param == "neck":
        neck, channels = CSPNeXtPAFPN(backbone.out_channels, out_channels=32, out_indices=(1,)), 32
    head = RTMCCHead(channels, 5, SIZE, stride=8, hidden_dims=32, attention_dims=16)
    return settled(PoseEstimator(backbone, head, neck, OTHER_MEAN, OTHER_STD), IMAGES)


@pytest.fixture(scope="module")
def integers(network: PoseEstimator) -> PoseEstimator:
    quantized = copy.deepcopy(network)
    prepare(quantized, QuantizationSpec())
    calibrate(quantized, [IMAGES])
    return cast("PoseEstimator", convert(quantized))


def _fed(images: Tensor, contract: Contract) -> Tensor:
    """What a client feeds, computed in float64 as clients do with NumPy."""
    pixels = images.numpy()[:, :: -1 if contract.channels == "BGR" else 1].astype(np.float64)
    if contract.normalised:
        pixels = (pixels - np.reshape(contract.mean, (3, 1, 1))) / np.reshape(contract.std, (3, 1, 1))
    return torch.from_numpy(pixels.astype(np.float32))


def _logits(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat(network(images), dim=-1)


@pytest.mark.parametrize(
    "contract",
    [
        RAW,
        RAW._replace(channels="BGR"),
        NORMALISED,
        NORMALISED._replace(mean=OTHER_MEAN, std=OTHER_STD),
        NORMALISED._replace(channels="BGR", mean=MEAN[::-1], std=STD[::-1]),
        rtmlib_contract(SIZE, 2.0),
    ],
)
def test_every_contract_s_client_gets_the_network_s_logits(contract: Contract, network: PoseEstimator) -> None:
    expected = _logits(network, IMAGES)
    logits = _logits(SimccNetwork(network, contract, "float32"), _fed(IMAGES, contract))
    assert (logits - expected).abs().max() < 1e-5 * (expected.max() - expected.min())
    swapped = _logits(SimccNetwork(network, contract, "float32"), _fed(IMAGES.flip(1), contract))
    assert (swapped - expected).abs().max() > 1e-2 * (expected.max() - expected.min())


def test_rtmlib_s_input_reaches_integers_as_well(integers: PoseEstimator) -> None:
    contract = rtmlib_contract(SIZE, 2.0)
    expected = _logits(integers, IMAGES)
    logits = _logits(SimccNetwork(integers, contract, "int8"), _fed(IMAGES, contract))
    assert (logits - expected).abs().max() < 1e-4 * (expected.max() - expected.min())


def test_nothing_is_computed_where_the_client_has_normalised() -> None:
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    scale, shift = input_change(NORMALISED, mean, std)
    assert scale.tolist() == torch.ones(1, 3, 1, 1).tolist()
    assert shift.tolist() == torch.zeros(1, 3, 1, 1).tolist()


def test_the_network_is_left_as_it_is(network: PoseEstimator) -> None:
    before = copy.deepcopy(network.state_dict())
    SimccNetwork(network, rtmlib_contract(SIZE, 2.0), "float16")
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("calibration", [None, ScoreCalibration(temperature=0.1, offset=0.2)])
def test_keypoints_are_the_codec_s(calibration: ScoreCalibration | None, network: PoseEstimator) -> None:
    keypoints, scores = CODEC.decode(*network(IMAGES))
    contract = RAW._replace(outputs="keypoints")
    wrapped = wrap(network, contract, "float32", CODEC, calibration)
    assert isinstance(wrapped, KeypointNetwork)
    with torch.no_grad():
        its_keypoints, its_scores = wrapped(IMAGES)
    torch.testing.assert_close(its_keypoints, keypoints, atol=2e-3, rtol=0)
    torch.testing.assert_close(its_scores, scores if calibration is None else calibration(scores))


def test_images_are_bytes_only_where_keypoints_come_out() -> None:
    assert input_dtype(RAW) == input_dtype(NORMALISED) == torch.float32
    assert input_dtype(RAW._replace(outputs="keypoints")) == torch.uint8
    assert input_dtype(NORMALISED._replace(outputs="keypoints")) == torch.float32


def test_half_precision_is_close_and_ends_before_the_norms(network: PoseEstimator) -> None:
    expected = _logits(network, IMAGES)
    wrapped = SimccNetwork(network, RAW, "float16")
    logits = _logits(wrapped, IMAGES.float())
    assert logits.dtype == torch.float32
    difference = (logits - expected).abs().max() / (expected.max() - expected.min())
    assert 0 < difference < 0.01
    types = {name: value.dtype for name, value in wrapped.named_parameters()}
    halves = {name for name, dtype in types.items() if dtype == torch.float16}
    assert halves == {name for name in types if name.startswith(("backbone.", "neck.", "head.final_layer."))}


def test_half_precision_survives_maps_whose_squares_overflow(network: PoseEstimator) -> None:
    large = copy.deepcopy(network)
    with torch.no_grad():
        large.head.final_layer.weight *= 1000 / large.head.heatmaps(large.features(IMAGES)).abs().max()
    maps = large.head.heatmaps(large.features(IMAGES))
    assert maps.square().sum(dim=(2, 3)).max() > torch.finfo(torch.float16).max
    expected = _logits(large, IMAGES)
    logits = _logits(SimccNetwork(large, RAW, "float16"), IMAGES.float())
    assert (logits - expected).abs().max() < 0.01 * (expected.max() - expected.min())


def test_half_precision_keeps_small_variances(network: PoseEstimator) -> None:
    small = copy.deepcopy(network)
    norm = small.backbone.stem.get_submodule("0.bn")
    with torch.no_grad():
        cast("Tensor", norm.running_var).fill_(1e-6)  # below half precision's smallest with all digits
        cast("Tensor", norm.weight).mul_(1e-3)
    expected = _logits(small, IMAGES)
    logits = _logits(SimccNetwork(small, RAW, "float16"), IMAGES.float())
    assert (logits - expected).abs().max() < 0.01 * (expected.max() - expected.min())
