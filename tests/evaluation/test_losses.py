import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elifpose.codecs import SimCC, SimCCTargets
from elifpose.evaluation.losses import (
    KLDiscretLoss,
    SimCCLoss,
    kl_discret_loss,
    simcc_accuracy,
)
from elifpose.models.backbones.cspnext import CSPNeXt
from elifpose.models.heads.rtmcc import RTMCCHead
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError

RTMPOSE = SimCC((192, 256))


def load(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Arrays and figures of a reference that is stored as .npz and .json."""
    with np.load(path.with_suffix(".npz")) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return tensors, json.loads(path.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def codec_loss(reference: Path) -> tuple[dict[str, Tensor], Any]:
    return load(reference / "codec_loss")


@pytest.fixture(scope="module")
def train_step(reference: Path) -> tuple[dict[str, Tensor], Any]:
    arrays, figures = load(reference / "train_rtmpose-t_halpe26")
    arrays["weights"] = arrays["keypoints_visible"] * torch.tensor(HALPE26.joint_weights)
    return arrays, figures


def random_batch(codec: SimCC, persons: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, keypoints in, around and far from the input, and weights with zeros; float64."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(persons, 26, bins, generator=generator, dtype=torch.float64) for bins in codec.bins)
    spread = torch.rand(persons, 26, 2, generator=generator, dtype=torch.float64)
    keypoints = (spread * 1.4 - 0.2) * torch.tensor(codec.input_size)
    weights = torch.randint(0, 4, (persons, 26), generator=generator).double() / 2
    return x, y, keypoints, weights


# Dense loss against RTMPose's values and gradients.

LOSS_VARIANTS: dict[str, dict[str, Any]] = {
    "rtmpose": {},
    "default": {"beta": 1.0, "label_softmax": False},
    "beta10_nosoft": {"label_softmax": False},
    "softmax_beta1": {"beta": 1.0},
    "label_beta5": {"label_beta": 5.0},
    "noweight": {},
    "mask": {},
}


def test_all_reference_losses_are_compared(codec_loss: tuple[dict[str, Tensor], Any]) -> None:
    assert set(codec_loss[1]["losses"]) == set(LOSS_VARIANTS)


@pytest.mark.parametrize("variant", LOSS_VARIANTS)
def test_dense_loss_is_the_reference_divided_by_the_batch(
    codec_loss: tuple[dict[str, Tensor], Any], variant: str
) -> None:
    arrays, figures = codec_loss
    simcc_x, simcc_y = (
        (arrays[f"dec.simcc_{axis}"] * figures["pred_scale_in_losses"]).double().requires_grad_() for axis in "xy"
    )
    weights = arrays["loss.w"].double()
    if variant == "noweight":
        weights = torch.ones_like(weights)
    elif variant == "mask":
        weights[:, 17:20] *= 0.5  # head, neck and hip of the reference count half
    targets = SimCCTargets(arrays["loss.gx"].double(), arrays["loss.gy"].double(), weights)
    loss = KLDiscretLoss(**LOSS_VARIANTS[variant])(simcc_x, simcc_y, targets)
    loss.backward()

    batch, expected = len(weights), figures["losses"][variant]
    assert batch * loss.item() == pytest.approx(expected["value_f64"], rel=1e-12)
    assert batch * loss.item() == pytest.approx(expected["value"], rel=1e-6)
    assert simcc_x.grad is not None
    assert simcc_y.grad is not None
    assert batch * simcc_x.grad.norm().item() == pytest.approx(expected["gx_norm"], rel=1e-5)
    assert batch * simcc_y.grad.norm().item() == pytest.approx(expected["gy_norm"], rel=1e-5)
    if variant == "rtmpose":
        torch.testing.assert_close(batch * simcc_x.grad.float(), arrays["loss.rtmpose.grad_x"], rtol=1e-4, atol=1e-9)


def test_one_axis_by_hand() -> None:
    """Two bins: p = (3/4, 1/4), t = (1/2, 1/2)."""
    simcc = torch.tensor([[[math.log(3.0), 0.0]]], dtype=torch.float64)
    target = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64)
    loss = kl_discret_loss(simcc, target, torch.tensor([[2.0]]), beta=1.0, label_softmax=False)
    assert loss.item() == pytest.approx(0.5 * math.log(4 / 3))


# The loss from coordinates.


def test_training_loss_equals_reference(train_step: tuple[dict[str, Tensor], Any]) -> None:
    arrays, figures = train_step
    batch = figures["batch"]
    for dtype in (torch.float32, torch.float64):
        loss = SimCCLoss(RTMPOSE).to(dtype)(
            arrays["simcc_x"].to(dtype), arrays["simcc_y"].to(dtype), arrays["keypoints"], arrays["weights"]
        )
        assert loss.dtype == dtype
        assert batch * loss.item() == pytest.approx(figures["loss_kpt_f64"], rel=1e-6)
    targets = RTMPOSE.encode(arrays["keypoints"], arrays["weights"])
    torch.testing.assert_close(targets.weights, arrays["keypoint_weights"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "codec",
    [
        RTMPOSE,
        SimCC((288, 384), sigma=(6.0, 6.93)),
        SimCC((96, 128), sigma=(2.0, 3.0), split_ratio=3.0, normalize=True),
        SimCC((96, 128), label="one_hot", label_smoothing=0.1),
    ],
)
@pytest.mark.parametrize("label_softmax", [True, False])
def test_loss_from_coordinates_is_the_dense_loss(codec: SimCC, label_softmax: bool) -> None:
    x, y, keypoints, weights = random_batch(codec)
    outcomes = []
    for fast in (True, False):
        simcc = [x.clone().requires_grad_(), y.clone().requires_grad_()]
        settings: dict[str, Any] = {"beta": 4.0, "label_softmax": label_softmax, "label_beta": 7.0}
        if fast:
            loss = SimCCLoss(codec, **settings).double()(*simcc, keypoints, weights)
        else:
            loss = KLDiscretLoss(**settings)(*simcc, codec.encode(keypoints, weights))
        loss.backward()
        outcomes.append([loss.detach(), *(logits.grad for logits in simcc)])
    _, dense_weights = codec.locate(keypoints, weights)
    assert 0 < (dense_weights > 0).sum() < (weights > 0).sum()
    torch.testing.assert_close(*outcomes, rtol=1e-12, atol=1e-15)


def test_every_row_of_the_tables_is_the_label_of_its_bin() -> None:
    codec = SimCC((24, 32), sigma=(2.0, 3.0))
    loss = SimCCLoss(codec).double()
    for axis, table in enumerate((loss.table_x, loss.table_y)):
        bins, margin = codec.bins[axis], codec.margins[axis]
        keypoints = torch.full((1, bins + 2 * margin, 2), 5.0, dtype=torch.float64)
        keypoints[0, :, axis] = torch.arange(-margin, bins + margin) / codec.split_ratio
        dense = codec.encode(keypoints, torch.ones(1, len(keypoints[0])))[axis][0]
        torch.testing.assert_close(table, torch.softmax(10 * dense, dim=-1), rtol=1e-12, atol=0)


def test_loss_does_not_depend_on_the_batch_size() -> None:
    x, y, keypoints, weights = random_batch(RTMPOSE)
    loss = SimCCLoss(RTMPOSE)
    once = loss(x, y, keypoints, weights)
    thrice = loss(*(tensor.repeat(3, *[1] * (tensor.ndim - 1)) for tensor in (x, y, keypoints, weights)))
    torch.testing.assert_close(once, thrice)


def test_loss_is_zero_where_the_logits_are_the_labels() -> None:
    _, _, keypoints, weights = random_batch(RTMPOSE)
    targets = RTMPOSE.encode(keypoints, weights)
    loss = SimCCLoss(RTMPOSE).double()(targets.x + 3, targets.y - 5, keypoints, weights)
    assert abs(loss.item()) < 1e-15


def test_without_weight_nothing_counts_not_even_nan() -> None:
    x, y, keypoints, weights = random_batch(RTMPOSE)
    keypoints[weights == 0] = math.nan
    x.requires_grad_()
    loss = SimCCLoss(RTMPOSE)(x, y, keypoints, weights)
    loss.backward()
    assert loss.isfinite()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert not x.grad[weights == 0].any()


def test_bfloat16_logits_are_summed_in_float32() -> None:
    x, y, keypoints, weights = random_batch(RTMPOSE)
    x, y = x.bfloat16(), y.bfloat16()
    loss = SimCCLoss(RTMPOSE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(x, y, keypoints.float(), weights.float())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.double(), loss(x.double(), y.double(), keypoints, weights), rtol=1e-6, atol=0)


def test_tables_are_not_saved_and_survive_conversions() -> None:
    loss = SimCCLoss(RTMPOSE)
    assert not loss.state_dict()
    assert not list(loss.parameters())
    assert loss.table_x.dtype == torch.float32
    exact = SimCCLoss(RTMPOSE).double().table_x
    torch.testing.assert_close(SimCCLoss(RTMPOSE).bfloat16().double().table_x, exact, rtol=0, atol=0)
    torch.testing.assert_close(SimCCLoss(RTMPOSE).to("meta").to_empty(device="cpu").double().table_x, exact)


@pytest.mark.parametrize("module", [KLDiscretLoss, lambda **factors: SimCCLoss(RTMPOSE, **factors)])
@pytest.mark.parametrize("factor", ["beta", "label_beta"])
def test_factors_must_be_positive(module: Any, factor: str) -> None:
    with pytest.raises(ElifPoseError, match=f"loss: {factor} is 0"):
        module(**{factor: 0.0})


# One training step of the whole network, in float64.


class Network(nn.Module):
    """RTMPose-t without normalisation of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CSPNeXt(deepen_factor=0.167, widen_factor=0.375)
        self.head = RTMCCHead(self.backbone.out_channels[-1], 26, (192, 256))

    def forward(self, images: Tensor) -> Any:
        return self.head(self.backbone(images))


def seeded(name: str, shape: torch.Size) -> Tensor:
    """The value that the reference run gave to an entry of the state dict."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    kind = name.rsplit(".", 1)[-1]
    if kind == "num_batches_tracked":
        return torch.tensor(0)
    if kind in ("running_var", "g", "scale", "gamma") or (kind == "weight" and len(shape) == 1):
        values = random.uniform(0.5, 1.5, shape)
    elif kind == "weight" and len(shape) == 2:
        values = random.standard_normal(shape) * 0.5 / math.sqrt(shape[1])
    elif kind == "weight":
        values = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    else:
        values = random.standard_normal(shape) * 0.1
    return torch.tensor(values, dtype=torch.float32)


def test_gradients_of_a_training_step_equal_reference(train_step: tuple[dict[str, Tensor], Any]) -> None:
    arrays, figures = train_step
    network = Network()
    network.load_state_dict({name: seeded(name, entry.shape) for name, entry in network.state_dict().items()})
    network.double().train()
    random = np.random.RandomState(figures["seed"])
    images = torch.from_numpy(random.uniform(-2, 2, (figures["batch"], 3, 256, 192)).astype(np.float32))
    simcc = network(images.double())
    loss = SimCCLoss(RTMPOSE).double()(*simcc, arrays["keypoints"], arrays["weights"])
    loss.backward()

    batch = figures["batch"]
    # All of the reference is float64 but its labels, which are float32.
    assert batch * loss.item() == pytest.approx(figures["loss_kpt_f64"], rel=1e-8)
    gradients = {name: batch * weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    norms = {name: gradient.norm().item() for name, gradient in gradients.items()}
    assert norms == pytest.approx(figures["grad_norm_f64"], rel=2e-7)
    for name, expected in arrays.items():
        if name.startswith("grad64."):
            found = gradients[name.removeprefix("grad64.")].flatten()[: expected.numel()].view(expected.shape)
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-7 * expected.abs().max().item())


# Accuracy.


@pytest.mark.parametrize("case", ["0.05", "0.1", "0.2", "close_0.02", "close_0.05", "close_0.1"])
def test_accuracy_equals_reference_with_width_and_height_swapped(
    codec_loss: tuple[dict[str, Tensor], Any], case: str
) -> None:
    """The reference divides x by the height and y by the width, and averages over keypoints first."""

    def decode(x: str, y: str) -> Tensor:
        keypoints, scores = RTMPOSE.decode(arrays[x], arrays[y])
        return torch.where(scores[..., None] > 0, keypoints, -0.5)  # the reference's mark for a score of 0 or less

    arrays, figures = codec_loss
    truth = decode("loss.gx", "loss.gy")
    found = decode("acc.px", "acc.py") if "close" in case else decode("dec.simcc_x", "dec.simcc_y")
    per_keypoint = [
        simcc_accuracy(
            found[:, k], truth[:, k], arrays["loss.w"][:, k], (256, 192), threshold=float(case.split("_")[-1])
        ).item()
        for k in range(26)
    ]
    assert per_keypoint == pytest.approx(figures["simcc_pck"][case]["acc"])
    assert sum(per_keypoint) / 26 == pytest.approx(figures["simcc_pck"][case]["avg"])


def test_accuracy_takes_x_in_widths_and_y_in_heights() -> None:
    truth = torch.full((1, 6, 2), 50.0)
    offsets = torch.tensor([[9.5, 0.0], [9.7, 0.0], [0.0, -12.7], [0.0, 12.9], [6.0, 8.0], [9.0, 9.0]])
    for k, near in enumerate([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]):
        only = torch.zeros(1, 6)
        only[0, k] = 0.3
        assert simcc_accuracy(truth + offsets, truth, only, (192, 256)) == near
    weights = torch.tensor([[1.5, 1.0, 0.0, 1.0, 1.0, 0.0]])
    assert simcc_accuracy(truth + offsets, truth, weights, (192, 256)) == 0.5
    assert simcc_accuracy(truth, truth, torch.zeros(1, 6), (192, 256)) == 0.0
