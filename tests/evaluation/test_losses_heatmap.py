import math

import pytest
import torch
from torch import Tensor

from elifpose.evaluation.losses import heatmap_cross_entropy


def brute_force_cross_entropy(
    heatmap: Tensor, keypoint: list[float], input_size: tuple[int, int], sigma: float
) -> float:
    """Cell by cell, from the Gaussian in input pixels."""
    rows, columns = heatmap.shape
    stride_x, stride_y = input_size[0] / columns, input_size[1] / rows
    target = {}
    for row in range(rows):
        for column in range(columns):
            # The middle of the pixels that the cell covers.
            x, y = (column + 0.5) * stride_x - 0.5, (row + 0.5) * stride_y - 0.5
            squares = ((x - keypoint[0]) / stride_x) ** 2 + ((y - keypoint[1]) / stride_y) ** 2
            target[row, column] = math.exp(-squares / (2 * sigma**2))
    total = sum(math.exp(value) for value in heatmap.flatten().tolist())
    return -sum(
        weight / sum(target.values()) * math.log(math.exp(heatmap[cell].item()) / total)
        for cell, weight in target.items()
    )


@pytest.mark.parametrize("shape", [(8, 6), (16, 12), (5, 7)])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_heatmap_loss_equals_brute_force(shape: tuple[int, int], sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    heatmaps = torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    keypoints = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64) * torch.tensor([192.0, 256.0])
    weights = torch.tensor([[1.0, 0.0, 0.5], [1.5, 1.0, 1.0]], dtype=torch.float64)
    expected = sum(
        weights[n, k].item() * brute_force_cross_entropy(heatmaps[n, k], keypoints[n, k].tolist(), (192, 256), sigma)
        for n in range(2)
        for k in range(3)
    )
    loss = heatmap_cross_entropy(heatmaps, keypoints, weights, (192, 256), sigma)
    assert loss.item() == pytest.approx(expected / 6, rel=1e-10)


def test_heatmap_loss_has_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    heatmaps = torch.randn(1, 2, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    keypoints = torch.tensor([[[10.0, 20.0], [170.0, 250.0]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda maps: heatmap_cross_entropy(maps, keypoints, torch.ones(1, 2), (192, 256), 0.7), heatmaps
    )


def test_heatmap_loss_is_least_at_a_distribution_whose_mean_is_the_keypoint() -> None:
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.rand(1, 50, 2, generator=generator, dtype=torch.float64) * 60 + 80
    weights, size = torch.ones(1, 50), (256, 256)
    # The gradient of a cross-entropy by its logits is softmax(logits) − target.
    flat = torch.zeros(1, 50, 16, 16, dtype=torch.float64, requires_grad=True)
    heatmap_cross_entropy(flat, keypoints, weights, size, 0.7).backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    target = (1 / 256 - 50 * flat.grad).clamp(min=1e-30)

    best = target.log().requires_grad_()
    loss = heatmap_cross_entropy(best, keypoints, weights, size, 0.7)
    loss.backward()  # type: ignore[no-untyped-call]
    assert best.grad is not None
    assert best.grad.abs().max() < 1e-12
    assert loss.item() == pytest.approx(-torch.xlogy(target, target).sum().item() / 50)

    centers = torch.arange(16).double() * 16 + 7.5
    means = torch.stack((target.sum(dim=2) @ centers, target.sum(dim=3) @ centers), dim=-1)
    assert (means - keypoints).abs().max() < 0.001 * 16


def test_heatmap_loss_leaves_out_what_is_far_outside_or_missing() -> None:
    cell, sigma = 32, 0.7
    edge = 3 * sigma * cell
    inside = [[-0.4 - edge, 100.0], [191.4 + edge, 100.0], [90.0, -0.4 - edge], [90.0, 255.4 + edge]]
    outside = [[-0.6 - edge, 100.0], [191.6 + edge, 100.0], [90.0, -0.6 - edge], [90.0, 255.6 + edge]]
    heatmaps = torch.zeros(1, 4, 8, 6)
    for keypoints, expected in ((inside, math.log(48)), (outside, 0.0), ([[math.nan, math.inf]] * 4, 0.0)):
        loss = heatmap_cross_entropy(heatmaps, torch.tensor([keypoints]), torch.ones(1, 4), (192, 256), sigma)
        assert loss.item() == pytest.approx(expected)


def test_heatmap_loss_of_bfloat16_maps_is_float32() -> None:
    heatmaps = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)).bfloat16()
    keypoints = torch.full((2, 3, 2), 70.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = heatmap_cross_entropy(heatmaps, keypoints, torch.ones(2, 3), (192, 256), 0.7)
    assert half.dtype == torch.float32
    exact = heatmap_cross_entropy(heatmaps.double(), keypoints.double(), torch.ones(2, 3), (192, 256), 0.7)
    torch.testing.assert_close(half.double(), exact, rtol=1e-6, atol=0)
