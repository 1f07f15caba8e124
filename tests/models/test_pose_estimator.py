import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elifpose.models import CSPNeXt, CSPNeXtPAFPN, Neck, PoseEstimator, RTMCCHead
from elifpose.models.pose_estimator import average_mirrored
from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError

PUBLISHED = [
    *(f"rtmpose-{size}_coco17_256x192" for size in "tsml"),
    *(f"rtmpose-{size}_halpe26_256x192" for size in "tsml"),
    *(f"rtmpose-{size}_halpe26_384x288" for size in "mlx"),
]
SEEDED = ["rtmpose-t_halpe26_256x192", "rtmpose-m_halpe26_384x288"]
Build = Callable[[str], PoseEstimator]
SeedWeights = Callable[..., None]


def test_published_names_are_all_there(complexity: dict[str, Any]) -> None:
    assert set(complexity) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_have_published_names_and_shapes(
    name: str, reference: Path, complexity: dict[str, Any], build_published: Build
) -> None:
    stored = json.loads((reference / "models_state_dict_shapes.json").read_text())[name]
    with torch.device("meta"):
        network = build_published(name)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == stored
    for part, figure in ((network, "params"), (network.backbone, "params_backbone"), (network.head, "params_head")):
        assert sum(parameter.numel() for parameter in part.parameters()) == complexity[name][figure]


def test_seeded_weights_are_the_reference_s(
    reference: Path, build_published: Build, seed_weights: SeedWeights
) -> None:
    network = build_published(SEEDED[0])
    seed_weights(network)
    state = network.state_dict()
    stored = json.loads((reference / "recipe_check.json").read_text())
    for name in set(stored) & set(state):
        np.testing.assert_allclose(state[name].flatten()[:3], stored[name]["first3"])
    assert len(set(stored) & set(state)) == len(stored) - 1  # the input is not a weight


@pytest.mark.parametrize("name", SEEDED)
def test_outputs_and_activations_equal_the_reference(
    name: str, reference: Path, build_published: Build, seed_weights: SeedWeights
) -> None:
    stored = np.load(reference / f"model_{name}.npz")
    network = build_published(name).eval()
    seed_weights(network)
    seen = _record_outputs(network)
    with torch.no_grad():
        simcc_x, simcc_y = network.head(network.backbone(_reference_input(network)))
    np.testing.assert_allclose(simcc_x, stored["simcc_x"], atol=3e-5)
    np.testing.assert_allclose(simcc_y, stored["simcc_y"], atol=3e-5)
    assert np.array_equal(_maxima(simcc_x, simcc_y), stored["kpts"])

    activations = [key for key in stored.files if key.startswith("act0")]
    assert len(activations) >= 3
    for key in activations:
        kind, part = key.split(".", 1)
        value = seen[part][0] if kind == "act0" else seen[part][0, :, ::4, ::4]
        np.testing.assert_allclose(value, stored[key], atol=1e-5 * np.abs(stored[key]).max(), err_msg=key)


@pytest.mark.parametrize("name", SEEDED)
def test_flip_test_without_the_shift_equals_the_reference(
    name: str, reference: Path, build_published: Build, seed_weights: SeedWeights
) -> None:
    stored = np.load(reference / f"model_{name}.npz")
    network = build_published(name).eval()
    seed_weights(network)
    network.mean.zero_()
    network.std.fill_(1.0)
    images = _reference_input(network)
    partners = get_skeleton("halpe26").flip_indices
    with torch.no_grad():
        mirrored_x, mirrored_y = network(images.flip(-1))
        _, mean_y = network.forward_flip_test(images, partners)
    flip_x, flip_y = mirrored_x[:, list(partners)].flip(-1), mirrored_y[:, list(partners)]
    np.testing.assert_allclose(flip_x, stored["flip_simcc_x"], atol=3e-5)
    np.testing.assert_allclose(flip_y, stored["flip_simcc_y"], atol=3e-5)

    last_bin = flip_x.shape[-1] - 1  # the reference reverses all bins, which is half a pixel off
    mean_x = average_mirrored(torch.from_numpy(stored["simcc_x"]), mirrored_x[:, list(partners)], last_bin)
    assert np.array_equal(_maxima(mean_x, mean_y), stored["kpts_flip"])


def _reference_input(network: PoseEstimator) -> Tensor:
    width, height = network.head.input_size
    return torch.from_numpy(np.random.RandomState(20240901).uniform(-2, 2, (2, 3, height, width)).astype(np.float32))


def _record_outputs(network: nn.Module) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        seen[name] = output

    for name, module in network.named_modules():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: keep(name, output))
    return seen


def _maxima(simcc_x: Tensor, simcc_y: Tensor) -> Any:
    return torch.stack((simcc_x.argmax(-1), simcc_y.argmax(-1)), dim=-1).numpy() / 2


def _bump(keypoints: Tensor, bins: int, split_ratio: float) -> Tensor:
    return -((torch.arange(bins) - keypoints[..., None] * split_ratio) ** 2)


@pytest.mark.parametrize("split_ratio", [1.0, 2.0, 3.0])
def test_flip_test_of_an_equivariant_network_changes_no_keypoint(split_ratio: float) -> None:
    width = 64
    keypoints_input = torch.tensor([[0.0, 10.0, 31.0, 50.0, 63.0]])
    bins = round(width * split_ratio)
    partners = [0, 2, 1, 4, 3]
    mirrored = _bump(width - 1 - keypoints_input[:, partners], bins, split_ratio)[:, partners]
    mean = average_mirrored(_bump(keypoints_input, bins, split_ratio), mirrored, round(split_ratio * (width - 1)))
    torch.testing.assert_close(mean, _bump(keypoints_input, bins, split_ratio))


def test_average_keeps_bins_without_a_counterpart() -> None:
    simcc_x = torch.arange(8.0).view(1, 1, 8)
    mean = average_mirrored(simcc_x, torch.zeros(1, 1, 8), last_bin=6)
    assert mean.flatten().tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0]


def test_flip_test_is_the_mean_of_both_views(small_network: PoseEstimator) -> None:
    images = torch.rand(2, 3, 96, 64) * 255
    partners = (0, 2, 1, 4, 3)
    with torch.no_grad():
        merged_x, merged_y = small_network.forward_flip_test(images, partners)
        again_x, again_y = small_network.forward_flip_test(images.flip(-1), partners)
        simcc_x, simcc_y = small_network(images)
        mirrored_x, mirrored_y = small_network(images.flip(-1))
    for keypoint, partner in enumerate(partners):
        expected = (simcc_x[:, keypoint, 20] + mirrored_x[:, partner, 2 * 63 - 20]) / 2
        torch.testing.assert_close(merged_x[:, keypoint, 20], expected)
        torch.testing.assert_close(merged_y[:, keypoint], (simcc_y[:, keypoint] + mirrored_y[:, partner]) / 2)
    # The flip test of the mirror image is the mirror image of the flip test.
    torch.testing.assert_close(again_y[:, list(partners)], merged_y)
    torch.testing.assert_close(again_x[:, list(partners), :127].flip(-1), merged_x[..., :127])


def test_training_step_equals_the_reference(
    reference: Path, build_published: Build, seed_weights: SeedWeights
) -> None:
    stored = np.load(reference / "train_rtmpose-t_halpe26.npz")
    figures = json.loads((reference / "train_rtmpose-t_halpe26.json").read_text())
    x = np.random.RandomState(figures["seed"]).uniform(-2, 2, (figures["batch"], 3, 256, 192)).astype(np.float32)
    network = build_published(SEEDED[0]).train()
    seed_weights(network)
    with torch.no_grad():
        simcc_x, simcc_y = network.head(network.backbone(torch.from_numpy(x)))
    np.testing.assert_allclose(simcc_x, stored["simcc_x"], atol=5e-5)
    np.testing.assert_allclose(simcc_y, stored["simcc_y"], atol=5e-5)
    state = network.state_dict()
    for key in stored.files:
        if key.startswith("bn_after."):
            np.testing.assert_allclose(state[key.removeprefix("bn_after.")], stored[key], rtol=1e-5, atol=1e-6)


def test_gradients_equal_the_reference(reference: Path, build_published: Build, seed_weights: SeedWeights) -> None:
    stored = np.load(reference / "train_rtmpose-t_halpe26.npz")
    figures = json.loads((reference / "train_rtmpose-t_halpe26.json").read_text())
    x = np.random.RandomState(figures["seed"]).uniform(-2, 2, (figures["batch"], 3, 256, 192)).astype(np.float32)
    network = build_published(SEEDED[0]).train()
    seed_weights(network)
    network.double()
    logits = network.head(network.backbone(torch.from_numpy(x).double()))
    loss = torch.zeros((), dtype=torch.float64)
    for axis, sigma in ((0, 4.9), (1, 5.66)):
        loss = loss + _divergence(logits[axis], torch.from_numpy(stored["keypoints"][..., axis]), sigma, stored)
    assert loss.item() == pytest.approx(figures["loss_kpt_f64"], rel=1e-6)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.norm().item() == pytest.approx(figures["grad_norm_f64"][name], rel=1e-4), name
    assert len(figures["grad_norm_f64"]) == len(list(network.parameters()))


def _divergence(logits: Tensor, keypoints: Tensor, sigma: float, stored: Any) -> Tensor:
    """The recipe's loss along one axis, its dense form, summed over the batch as the reference has it."""
    bins = torch.arange(logits.shape[-1], dtype=torch.float64)
    centres = torch.round(keypoints.double() * 2)[..., None]
    targets = torch.softmax(10 * torch.exp(-((bins - centres) ** 2) / (2 * sigma**2)), dim=-1)
    divergence = F.kl_div(torch.log_softmax(10 * logits, dim=-1), targets, reduction="none").mean(dim=-1)
    return (divergence * torch.from_numpy(stored["keypoint_weights"])).sum() / logits.shape[1]


def test_normalises_bytes_and_floats_alike(small_network: PoseEstimator) -> None:
    images = torch.randint(0, 256, (1, 3, 96, 64), dtype=torch.uint8)
    seen: list[Tensor] = []
    small_network.backbone.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    from_bytes = small_network(images)
    torch.testing.assert_close(small_network(images.float()), from_bytes)
    expected = (images.double().numpy() - np.array([123.675, 116.28, 103.53])[:, None, None]) / np.array(
        [58.395, 57.12, 57.375]
    )[:, None, None]
    np.testing.assert_allclose(seen[0], expected, rtol=1e-5, atol=1e-6)


def test_features_end_in_the_map_that_the_head_sees(small_network: PoseEstimator) -> None:
    images = torch.rand(2, 3, 96, 64) * 255
    features = small_network.features(images)
    assert [tuple(m.shape) for m in features] == [(2, 32, 3, 2)]
    torch.testing.assert_close(small_network.head(features), small_network(images))


def test_mean_and_std_are_no_weights_and_move_with_the_network(small_network: PoseEstimator) -> None:
    assert not {"mean", "std"} & set(small_network.state_dict())
    assert small_network.double().mean.dtype == torch.float64


def test_trains_in_bf16_and_channels_last(small_network: PoseEstimator) -> None:
    network: PoseEstimator = small_network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    images = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8).to(memory_format=torch.channels_last)
    maps: list[Tensor] = []
    network.backbone.register_forward_hook(lambda _m, _i, out: maps.append(out[-1]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        simcc_x, simcc_y = network(images)
    assert maps[0].dtype == torch.bfloat16
    assert maps[0].is_contiguous(memory_format=torch.channels_last)
    (simcc_x.square().mean() + simcc_y.square().mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_exports_as_one_graph(small_network: PoseEstimator) -> None:
    images = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8)
    program = torch.export.export(small_network, (images,))
    torch.testing.assert_close(program.module()(images), small_network(images))


def test_arguments_are_json_and_rebuild_the_network(small_network: PoseEstimator) -> None:
    arguments = small_network.arguments()
    assert set(arguments) == set(inspect.signature(PoseEstimator).parameters)
    rebuilt = PoseEstimator.from_arguments(json.loads(json.dumps(arguments)))
    assert rebuilt.arguments() == arguments
    assert str(rebuilt) == str(small_network)


def test_arguments_keep_mean_and_std() -> None:
    network = PoseEstimator(
        CSPNeXt(0.1, 0.125), RTMCCHead(128, 5, (64, 96)), mean=(1.1, 2.2, 3.3), std=(4.4, 5.5, 6.6)
    )
    rebuilt = PoseEstimator.from_arguments(network.arguments())
    assert rebuilt.arguments() == network.arguments()
    torch.testing.assert_close(rebuilt.mean.flatten(), torch.tensor([1.1, 2.2, 3.3]))


class _LastMap(Neck):
    """A neck of a user's own."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(features[-1:])


def test_own_neck_works_and_is_not_rebuilt_by_name() -> None:
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3, 4)), RTMCCHead(128, 5, (64, 96)), _LastMap())
    assert len(network.features(torch.zeros(1, 3, 96, 64))) == 1
    arguments = json.loads(json.dumps(network.arguments()))
    with pytest.raises(ElifPoseError, match=r"_LastMap', which is not rebuilt by name"):
        PoseEstimator.from_arguments(arguments)


def _parts(**changes: Any) -> dict[str, Any]:
    backbone = CSPNeXt(0.1, 0.125, out_stages=changes.pop("out_stages", (4,)))
    head = RTMCCHead(changes.pop("channels", 128), 5, (64, 96), stride=changes.pop("stride", 32))
    return {"backbone": backbone, "head": head, **changes}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"channels": 64}, "the backbone's last map has 128 channels at stride 32.* set for 64 channels"),
        ({"stride": 16}, "at stride 32, and the head is set for 128 channels at stride 16"),
        ({"out_stages": (3,), "channels": 64}, "64 channels at stride 16"),
        ({"out_stages": (3, 4), "neck": CSPNeXtPAFPN((32, 128))}, r"\[32, 128\].*\[64, 128\]"),
        ({"out_stages": (2, 4), "neck": CSPNeXtPAFPN((32, 128))}, "consecutive stages"),
        ({"out_stages": (3, 4), "neck": CSPNeXtPAFPN((64, 128), 48)}, "the neck's last map has 48 channels"),
        ({"out_stages": (3, 4), "neck": CSPNeXtPAFPN((64, 128), 128, (0,))}, "128 channels at stride 16"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (1.0,)}, "three numbers each"),
    ],
)
def test_parts_that_do_not_fit_are_named(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        PoseEstimator(**_parts(**parts))
