"""What training minimises, and how right a batch is: pure functions, and modules that hold their constants.

All losses are means over persons and keypoints (of bins' divergences, for SimCC), so that their value and gradient
do not depend on the batch size. A keypoint of weight 0 counts in the mean's denominator, as in RTMPose.
"""

from collections.abc import Callable
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elifpose.codecs.simcc import SimCC, SimCCTargets, at_least_float32
from elifpose.utils.checks import check_positive


def kl_discret_loss(
    simcc: Tensor,
    target: Tensor,
    weights: Tensor,
    beta: float = 10.0,
    label_softmax: bool = True,
    label_beta: float = 10.0,
) -> Tensor:
    """Kullback-Leibler divergence of a predicted distribution over the bins of one axis from the labels.

    With t the labels, or softmax(``label_beta`` · labels), and p = softmax(``beta`` · logits), the loss is the mean
    over persons, keypoints and bins of weight · t · (log t − log p): RTMPose's KLDiscretLoss divided by the batch
    size (Li et al., ECCV 2022; Jiang et al., 2023).

    Args:
        simcc: ``(N, K, bins)``, logits.
        target: ``(N, K, bins)``, labels.
        weights: ``(N, K)``, of each keypoint.
        beta: Factor on the logits before the softmax.
        label_softmax: Make the labels a distribution by a softmax.
        label_beta: Factor on the labels before that softmax.

    Returns:
        ``()``.
    """
    if label_softmax:
        target = F.softmax(target * label_beta, dim=-1)
    divergence = F.kl_div(F.log_softmax(simcc * beta, dim=-1), target, reduction="none").mean(dim=-1)
    return (divergence * weights).mean()


@final
class KLDiscretLoss(nn.Module):
    """`kl_discret_loss` on dense labels, summed over both axes.

    Args:
        beta: Factor on the logits before their softmax.
        label_softmax: Make the labels a distribution by a softmax.
        label_beta: Factor on the labels before that softmax.

    Raises:
        ElifPoseError: If a factor is not positive.
    """

    def __init__(self, beta: float = 10.0, label_softmax: bool = True, label_beta: float = 10.0) -> None:
        super().__init__()
        check_positive("loss", {"beta": beta, "label_beta": label_beta})
        self.beta = beta
        self.label_softmax = label_softmax
        self.label_beta = label_beta

    def forward(self, simcc_x: Tensor, simcc_y: Tensor, targets: SimCCTargets) -> Tensor:
        """Loss ``()`` of logits ``(N, K, bins)`` per axis against labels of the same shapes."""
        settings = (self.beta, self.label_softmax, self.label_beta)
        loss_x = kl_discret_loss(simcc_x, targets.x, targets.weights, *settings)
        return loss_x + kl_discret_loss(simcc_y, targets.y, targets.weights, *settings)


@final
class SimCCLoss(nn.Module):
    """`KLDiscretLoss` straight from coordinates: the same value, and dense labels never exist.

    A label depends on nothing but the bin nearest to its keypoint, so one small table per axis holds all that there
    are, softmax included: a row for each bin from 3 sigmas before the axis to 3 sigmas behind it. The divergence is
    then the cross-entropy with a row, less that row's entropy.

    Args:
        codec: Says which labels.
        beta: Factor on the logits before their softmax.
        label_softmax: Make the labels a distribution by a softmax.
        label_beta: Factor on the labels before that softmax.

    Raises:
        ElifPoseError: If a factor is not positive.
    """

    table_x: Tensor
    table_y: Tensor
    entropy_x: Tensor
    entropy_y: Tensor

    def __init__(
        self, codec: SimCC, beta: float = 10.0, label_softmax: bool = True, label_beta: float = 10.0
    ) -> None:
        super().__init__()
        check_positive("loss", {"beta": beta, "label_beta": label_beta})
        self.codec = codec
        self.beta = beta
        self.label_softmax = label_softmax
        self.label_beta = label_beta
        for name, values in self._constants().items():
            self.register_buffer(name, values.to(torch.get_default_dtype()), persistent=False)

    def _constants(self) -> dict[str, Tensor]:
        """Labels ``(bins + 2 margins, bins)`` and their entropies ``(bins + 2 margins,)`` per axis, float64."""
        constants = {}
        for axis, name in ((0, "x"), (1, "y")):
            bins, margin = self.codec.bins[axis], self.codec.margins[axis]
            table = self.codec.labels(axis, torch.arange(-margin, bins + margin), torch.float64)
            if self.label_softmax:
                table = F.softmax(table * self.label_beta, dim=-1)
            constants[f"table_{name}"] = table
            constants[f"entropy_{name}"] = -torch.xlogy(table, table).sum(dim=-1)
        return constants

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Convert as any module, then fill in anew: ``double()`` has all digits, ``to_empty()`` is not empty."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name, values in self._constants().items():
            self.get_buffer(name).copy_(values)
        return self

    def forward(self, simcc_x: Tensor, simcc_y: Tensor, keypoints_input: Tensor, weights: Tensor) -> Tensor:
        """Loss ``()``, in the type of the logits or in float32 where that is wider.

        Args:
            simcc_x: ``(N, K, x bins)``, logits.
            simcc_y: ``(N, K, y bins)``, logits.
            keypoints_input: ``(N, K, 2)``, input pixels; anything where the weight is 0.
            weights: ``(N, K)``, of each keypoint.
        """
        nearest, weights = self.codec.locate(keypoints_input, weights)
        rows_x, rows_y = (nearest[..., axis].flatten() + self.codec.margins[axis] for axis in (0, 1))
        divergence_x = self._divergence(simcc_x, self.table_x[rows_x], self.entropy_x[rows_x])
        divergence_y = self._divergence(simcc_y, self.table_y[rows_y], self.entropy_y[rows_y])
        return ((divergence_x + divergence_y) * weights.flatten()).mean()

    def _divergence(self, simcc: Tensor, labels: Tensor, entropy: Tensor) -> Tensor:
        """Mean over the bins, ``(N · K,)``, for labels ``(N · K, bins)`` and logits ``(N, K, bins)``."""
        logits = at_least_float32(simcc).flatten(0, 1) * self.beta
        cross_entropy = F.cross_entropy(logits, labels.to(logits.dtype), reduction="none")
        return (cross_entropy - entropy) / logits.shape[-1]


def heatmap_cross_entropy(
    heatmaps: Tensor,
    keypoints_input: Tensor,
    weights: Tensor,
    input_size: tuple[int, int],
    sigma: float,
) -> Tensor:
    """Cross-entropy of coarse maps, one per keypoint, read as a distribution over their cells.

    The auxiliary loss with which a network without a pretrained backbone learns where keypoints are. The target is
    a Gaussian about the keypoint, taken at the centres of the cells and normalised to the sum 1. At a sigma of 0.7
    cells the mean of the cells so weighted is the keypoint itself (to 0.001 cells); at 0.5 it is off by up to 0.023.

    Frames: cell i of an axis covers the input pixels from ``i · stride − 0.5`` to ``(i + 1) · stride − 0.5``.

    Args:
        heatmaps: ``(N, K, h, w)``, logits of any floating type.
        keypoints_input: ``(N, K, 2)``, input pixels; anything where the weight is 0.
        weights: ``(N, K)``, of each keypoint; taken as 0 where it lies more than 3 sigmas outside the map.
        input_size: Width and height of the input, pixels.
        sigma: Standard deviation of the target, cells.

    Returns:
        ``()``, mean over persons and keypoints. The least possible value is the mean entropy of the targets.
    """
    logits = at_least_float32(heatmaps)
    height, width = logits.shape[2:]
    target_x, near_x = _cells(keypoints_input[..., 0].to(logits.dtype), width, input_size[0], sigma)
    target_y, near_y = _cells(keypoints_input[..., 1].to(logits.dtype), height, input_size[1], sigma)
    target = target_y[..., :, None] * target_x[..., None, :]
    cross_entropy = F.cross_entropy(
        logits.flatten(2).flatten(0, 1), target.flatten(2).flatten(0, 1), reduction="none"
    )
    return (cross_entropy * torch.where(near_x & near_y, weights, 0.0).flatten()).mean()


def _cells(positions_input: Tensor, cells: int, length: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Weights of an axis' cells ``(N, K, cells)`` for coordinates ``(N, K)``, and whether these lie near the axis."""
    in_cells = (positions_input + 0.5) * (cells / length) - 0.5
    low, high = -0.5 - 3 * sigma, cells - 0.5 + 3 * sigma
    near = (in_cells >= low) & (in_cells <= high)
    centers = torch.arange(cells, device=in_cells.device)
    distance = centers - torch.where(near, in_cells, 0.0)[..., None]
    return F.softmax(-0.5 * (distance / sigma) ** 2, dim=-1), near


def simcc_accuracy(
    keypoints_pred_input: Tensor,
    keypoints_input: Tensor,
    weights: Tensor,
    input_size: tuple[int, int],
    threshold: float = 0.05,
) -> Tensor:
    """Share of the keypoints with a weight whose prediction lies near: PCK in units of the input's size.

    The distance has x in widths and y in heights of the input and is less than ``threshold``. (RTMPose's own code
    takes x in heights and y in widths.) Every keypoint counts alike, whatever its weight; without any, the share
    is 0.

    Args:
        keypoints_pred_input: ``(N, K, 2)``, input pixels.
        keypoints_input: ``(N, K, 2)``, input pixels.
        weights: ``(N, K)``; 0 leaves a keypoint out.
        input_size: Width and height of the input, pixels.
        threshold: Largest distance, exclusive.

    Returns:
        ``()`` float32.
    """
    width, height = input_size
    offset = keypoints_pred_input - keypoints_input
    distance = torch.hypot(offset[..., 0] / width, offset[..., 1] / height)
    counts = weights > 0
    return ((distance < threshold) & counts).sum() / counts.sum().clamp(min=1)
