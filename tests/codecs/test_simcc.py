import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elifpose.codecs import SimCC
from elifpose.utils.errors import ElifPoseError

RTMPOSE = SimCC((192, 256))

REFERENCE_CODECS = {
    "gauss_rtmpose": RTMPOSE,
    "gauss_norm": SimCC((192, 256), normalize=True),
    "gauss_sigma6_default": SimCC((192, 256), sigma=(6.0, 6.0), normalize=True),
    "gauss_split3": SimCC((192, 256), sigma=(6.0, 6.0), split_ratio=3.0),
    "gauss_384x288": SimCC((288, 384), sigma=(6.0, 6.93)),
    "standard": SimCC((192, 256), label="one_hot"),
    "standard_ls0.1": SimCC((192, 256), label="one_hot", label_smoothing=0.1),
}


@pytest.fixture(scope="module")
def figures(reference: Path) -> dict[str, Tensor]:
    with np.load(reference / "codec_loss.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_all_reference_variants_are_compared(reference: Path) -> None:
    variants = json.loads((reference / "codec_loss.json").read_text())["variants"]
    assert set(variants) == set(REFERENCE_CODECS)


@pytest.mark.parametrize("variant", REFERENCE_CODECS)
def test_encode_equals_reference(figures: dict[str, Tensor], variant: str) -> None:
    targets = REFERENCE_CODECS[variant].encode(figures["keypoints"], figures["keypoints_visible"])
    # MMPose leaves the label empty where the visibility is below 0.5, and keeps the weight: not ours.
    same = (figures["keypoints_visible"] == 0) | (figures["keypoints_visible"] >= 0.5)
    assert same.sum() == same.numel() - 1
    for name, values in zip(("x_labels", "y_labels", "weights"), targets, strict=True):
        expected = figures[f"enc.{variant}.keypoint_{name}"]
        torch.testing.assert_close(values[same], expected[same], rtol=1e-6, atol=1e-7)


def test_a_small_weight_has_a_label(figures: dict[str, Tensor]) -> None:
    doubtful = figures["keypoints_visible"] == 0.49
    targets = RTMPOSE.encode(figures["keypoints"], figures["keypoints_visible"])
    assert targets.x[doubtful].max() == 1
    assert targets.weights[doubtful] == 0.49


@pytest.mark.parametrize("variant", REFERENCE_CODECS)
def test_decoded_labels_equal_reference(figures: dict[str, Tensor], variant: str) -> None:
    codec = REFERENCE_CODECS[variant]
    keypoints, scores = codec.decode(
        figures[f"enc.{variant}.keypoint_x_labels"], figures[f"enc.{variant}.keypoint_y_labels"]
    )
    expected = figures[f"encdec.{variant}.scores"]
    torch.testing.assert_close(scores, expected, rtol=0, atol=0)
    torch.testing.assert_close(keypoints[scores > 0], figures[f"encdec.{variant}.keypoints"][scores > 0])


def test_decode_equals_reference_with_ties_and_low_scores(figures: dict[str, Tensor]) -> None:
    keypoints, scores = RTMPOSE.decode(figures["dec.simcc_x"], figures["dec.simcc_y"])
    torch.testing.assert_close(scores, figures["dec.scores"], rtol=0, atol=0)
    sure = scores > 0
    torch.testing.assert_close(keypoints[sure], figures["dec.keypoints"][sure], rtol=0, atol=0)
    # MMPose marks the others by bin −1; here they stay in the input.
    assert (~sure).any()
    assert (figures["dec.keypoints"][~sure] == -0.5).all()
    assert (keypoints >= 0).all()


def test_the_first_of_equal_logits_is_taken() -> None:
    logits = torch.zeros(1, 2, 384)
    logits[0, 1, [7, 200]] = 1.0
    keypoints, scores = RTMPOSE.decode(logits, torch.zeros(1, 2, 512))
    assert keypoints.tolist() == [[[0.0, 0.0], [3.5, 0.0]]]
    assert scores.tolist() == [[0.0, 0.0]]


def test_a_negative_score_keeps_the_coordinates() -> None:
    x, y = torch.full((1, 1, 384), -3.0), torch.full((1, 1, 512), -4.0)
    x[..., 100], y[..., 300] = -1.0, -2.0
    keypoints, scores = RTMPOSE.decode(x, y)
    assert keypoints.tolist() == [[[50.0, 150.0]]]
    assert scores.tolist() == [[-2.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_decode_reads_16_bit_logits_without_rounding_bins(dtype: torch.dtype) -> None:
    bins = torch.arange(384)
    x = nn.functional.one_hot(bins, 384)[None].to(dtype)
    y = nn.functional.one_hot(bins + 128, 512)[None].to(dtype)
    keypoints, scores = RTMPOSE.decode(x, y)
    assert keypoints.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(keypoints[0], torch.stack((bins, bins + 128), dim=-1) / 2)


@pytest.mark.parametrize("split_ratio", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("label", ["gaussian", "one_hot"])
def test_encode_then_decode_errs_by_half_a_bin_at_most(split_ratio: float, label: Any) -> None:
    codec = SimCC((96, 128), split_ratio=split_ratio, label=label)
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.rand(64, 26, 2, generator=generator) * torch.tensor([95.0, 127.0])
    targets = codec.encode(keypoints, torch.ones(64, 26))
    decoded, scores = codec.decode(targets.x, targets.y)
    assert targets.x.shape == (64, 26, codec.bins[0])
    assert (decoded - keypoints).abs().max() <= 0.5 / split_ratio + 1e-5
    torch.testing.assert_close(scores, torch.ones(64, 26))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_encode_keeps_the_type(dtype: torch.dtype) -> None:
    targets = RTMPOSE.encode(torch.tensor([[[10.0, 20.0]]], dtype=dtype), torch.ones(1, 1, dtype=dtype))
    assert {tensor.dtype for tensor in targets} == {dtype}
    assert targets.x.argmax() == 20
    assert targets.y.argmax() == 40


def test_labels_are_the_normal_density() -> None:
    labels = SimCC((192, 256), sigma=(3.0, 5.0), normalize=True).labels(1, torch.tensor([100]))
    density = [statistics.NormalDist(100, 5).pdf(bin_) for bin_ in range(512)]
    torch.testing.assert_close(labels[0], torch.tensor(density, dtype=torch.float64))
    assert labels.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_one_hot_labels_are_distributions(label_smoothing: float) -> None:
    labels = SimCC((192, 256), label="one_hot", label_smoothing=label_smoothing).labels(0, torch.tensor([3, 99]))
    torch.testing.assert_close(labels.sum(dim=-1), torch.ones(2, dtype=torch.float64))
    assert labels[0, 3] == 1 - label_smoothing
    assert labels[1, 99] == 1 - label_smoothing


@pytest.mark.parametrize("axis", [0, 1])
def test_weight_is_lost_only_three_sigmas_outside(axis: int) -> None:
    last, margin = RTMPOSE.bins[axis] - 1, math.ceil(3 * RTMPOSE.sigma[axis])
    bins = torch.tensor([-margin - 1, -margin, -1, 0, last, last + 1, last + margin, last + margin + 1])
    keypoints = torch.full((1, len(bins), 2), 50.0)
    keypoints[0, :, axis] = bins / 2
    nearest, weights = RTMPOSE.locate(keypoints, torch.full((1, len(bins)), 1.5))
    assert weights.tolist() == [[0.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 0.0]]
    assert nearest[0, 1:-1, axis].tolist() == bins[1:-1].tolist()
    assert (nearest[..., axis] >= -margin).all()
    assert (nearest[..., axis] <= last + margin).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_impossible_coordinates_have_no_weight_and_no_label(value: float) -> None:
    keypoints = torch.tensor([[[value, 20.0], [20.0, value], [20.0, 20.0]]])
    nearest, _ = RTMPOSE.locate(keypoints, torch.ones(1, 3))
    targets = RTMPOSE.encode(keypoints, torch.ones(1, 3))
    assert nearest.abs().max() < 600
    assert targets.weights.tolist() == [[0.0, 0.0, 1.0]]
    assert not targets.x[0, :2].any()
    assert not targets.y[0, :2].any()


@pytest.mark.parametrize("sigma", [2.0, 4.9, 5.66])
def test_refinement_finds_the_top_of_a_shifted_gaussian(sigma: float) -> None:
    top = torch.linspace(100, 101, 41, dtype=torch.float64)
    logits = torch.exp(-0.5 * ((torch.arange(384) - top[:, None]) / sigma) ** 2)[None] - 0.3
    plain, _ = SimCC((192, 192), refine=False).decode(logits, logits)
    refined, scores = SimCC((192, 192), refine=True).decode(logits, logits)
    assert (plain[0, :, 0] * 2 - top).abs().max() == pytest.approx(0.5)
    assert (refined[0, :, 0] * 2 - top).abs().max() < 0.05 / sigma**2
    torch.testing.assert_close(scores, logits.amax(dim=-1))


def test_refinement_is_exact_for_a_parabola() -> None:
    top = torch.tensor([40.0, 40.2, 40.45, 40.8], dtype=torch.float64)
    logits = -((torch.arange(384) - top[:, None]) ** 2)[None]
    refined, _ = SimCC((192, 192), refine=True).decode(logits, logits)
    torch.testing.assert_close(refined[0, :, 1] * 2, top, rtol=0, atol=1e-9)


def test_refinement_moves_nothing_at_the_ends_or_on_a_plateau() -> None:
    logits = torch.zeros(1, 3, 384)
    logits[0, 0, 0] = logits[0, 1, -1] = 1.0
    refined, _ = SimCC((192, 192), refine=True).decode(logits, logits)
    assert refined[0, :, 0].tolist() == [0.0, 191.5, 0.0]


@pytest.mark.parametrize("refine", [False, True])
def test_decode_exports_for_any_batch_size(refine: bool) -> None:
    class Decoder(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return codec.decode(x, y)

    codec = SimCC((192, 256), refine=refine)
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(3, 26, bins, generator=generator) for bins in codec.bins)
    batch = torch.export.Dim("batch")
    program = torch.export.export(Decoder(), (x, y), dynamic_shapes=({0: batch}, {0: batch}))
    for size in (1, 3):
        torch.testing.assert_close(program.module()(x[:size], y[:size]), codec.decode(x[:size], y[:size]))


def test_arguments_rebuild_the_codec(tmp_path: Path) -> None:
    codec = SimCC((288, 384), sigma=(6.0, 6.93), split_ratio=3.0, normalize=True, refine=True)
    torch.save(codec.arguments(), tmp_path / "codec.pt")
    for arguments in (
        torch.load(tmp_path / "codec.pt", weights_only=True),
        json.loads(json.dumps(codec.arguments())),
    ):
        rebuilt = SimCC(**arguments)
        assert rebuilt == codec
        assert hash(rebuilt) == hash(codec)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": (0, 256)}, "input_size is"),
        ({"input_size": (192, 256, 3)}, "input_size is"),
        ({"sigma": (4.9, 0.0)}, "sigma is"),
        ({"sigma": (4.9, math.nan)}, "sigma is"),
        ({"sigma": (4.9, math.inf)}, "sigma is"),
        ({"split_ratio": 0.0}, "split_ratio is"),
        ({"split_ratio": 0.01}, "split_ratio is"),
        ({"split_ratio": math.nan}, "split_ratio is"),
        ({"label": "laplace"}, "label is 'laplace'"),
        ({"label": "one_hot", "label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"label_smoothing": 0.1}, "leave it at 0"),
        ({"label": "one_hot", "normalize": True}, "leave it False"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        SimCC(**{"input_size": (192, 256), **arguments})
