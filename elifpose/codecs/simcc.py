"""SimCC: a keypoint as two classifications, one over the bins of each axis.

Source: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022,
with the Gaussian labels of RTMPose (Jiang et al., 2023). Coordinates are *input pixels*; bin b of an axis stands
for the coordinate b / split ratio. Bins are a unit, not a frame.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

from elifpose.utils.errors import ElifPoseError


class SimCCTargets(NamedTuple):
    """What a network should predict for ``N`` persons: dense labels over the bins of both axes."""

    x: Tensor
    """``(N, K, x bins)``, label of each bin; all zero where the weight is 0."""
    y: Tensor
    """``(N, K, y bins)``."""
    weights: Tensor
    """``(N, K)``, weight of each keypoint in the loss."""


@final
@dataclass(frozen=True)
class SimCC:
    """Encodes keypoints as labels over bins and decodes logits over bins to keypoints.

    Args:
        input_size: Width and height of the network's input, pixels.
        sigma: Standard deviation of the Gaussian labels along x and y, bins.
        split_ratio: Bins per input pixel.
        label: ``"gaussian"`` spreads a keypoint over bins, ``"one_hot"`` marks the nearest one.
        normalize: Gaussian labels with the area of a density (about 1) instead of the height 1.
        label_smoothing: Share of a one-hot label that goes to all other bins alike.
        refine: Decode below the width of a bin, see `decode`.

    Raises:
        ElifPoseError: If an argument is out of its range, or belongs to the other kind of label.
    """

    input_size: tuple[int, int]
    sigma: tuple[float, float] = (4.9, 5.66)
    split_ratio: float = 2.0
    label: Literal["gaussian", "one_hot"] = "gaussian"
    normalize: bool = False
    label_smoothing: float = 0.0
    refine: bool = False

    def __post_init__(self) -> None:
        # JSON and YAML have lists for tuples.
        object.__setattr__(self, "input_size", tuple(self.input_size))
        object.__setattr__(self, "sigma", tuple(self.sigma))
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise ElifPoseError(f"codec: input_size is {self.input_size}; give a positive width and height")
        if len(self.sigma) != 2 or not all(0 < sigma < math.inf for sigma in self.sigma):
            raise ElifPoseError(f"codec: sigma is {self.sigma}; give two positive numbers of bins, for x and y")
        if not 0 < self.split_ratio < math.inf or min(self.bins) < 3:
            raise ElifPoseError(f"codec: split_ratio is {self.split_ratio}; give one with at least 3 bins per axis")
        if self.label not in ("gaussian", "one_hot"):
            raise ElifPoseError(f"codec: label is {self.label!r}; give 'gaussian' or 'one_hot'")
        if not 0 <= self.label_smoothing < 1:
            raise ElifPoseError(f"codec: label_smoothing is {self.label_smoothing}; give a share from 0 to below 1")
        if self.label == "gaussian" and self.label_smoothing:
            raise ElifPoseError("codec: label_smoothing is for one-hot labels; leave it at 0")
        if self.label == "one_hot" and self.normalize:
            raise ElifPoseError("codec: normalize is for Gaussian labels; leave it False")

    @property
    def bins(self) -> tuple[int, int]:
        """Number of bins along x and along y."""
        return round(self.input_size[0] * self.split_ratio), round(self.input_size[1] * self.split_ratio)

    @property
    def margins(self) -> tuple[int, int]:
        """How many bins outside the axes, x and y, a keypoint may lie and still teach: 3 sigmas, rounded up."""
        if self.label == "one_hot":
            return 0, 0
        return math.ceil(3 * self.sigma[0]), math.ceil(3 * self.sigma[1])

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments as numbers, strings and tuples: ``SimCC(**arguments)`` is the same codec.

        So it is after a way through JSON, which makes lists of the tuples.
        """
        return dataclasses.asdict(self)

    def locate(self, keypoints_input: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The bin nearest to each keypoint, and the weights without keypoints too far outside to teach.

        Halves round to the even bin. A keypoint's weight becomes 0 only where its bin ± 3 sigmas misses the x or
        the y axis, so that one a little outside the crop still teaches; NaN and infinities count as outside.

        Args:
            keypoints_input: ``(N, K, 2)``, input pixels.
            weights: ``(N, K)``, in the loss.

        Returns:
            Bins ``(N, K, 2)`` int64, from ``-margins`` to ``bins - 1 + margins`` (keypoints further out are moved
            there), and weights ``(N, K)``.
        """
        scaled = (at_least_float32(keypoints_input) * self.split_ratio).round()
        x, x_teaches = self._locate_on_axis(0, scaled[..., 0])
        y, y_teaches = self._locate_on_axis(1, scaled[..., 1])
        return torch.stack((x, y), dim=-1), torch.where(x_teaches & y_teaches, weights, 0.0)

    def _locate_on_axis(self, axis: int, nearest: Tensor) -> tuple[Tensor, Tensor]:
        """Whole-numbered floats as bins within the margins, int64, and whether they lay there."""
        low, high = -self.margins[axis], self.bins[axis] - 1 + self.margins[axis]
        # Clamped as floats: converting a huge float, or NaN, to an integer is undefined.
        bins = nearest.nan_to_num(nan=low).clamp(low, high).long()
        return bins, (nearest >= low) & (nearest <= high)

    def labels(self, axis: int, nearest: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """Labels over the bins of one axis, ``(..., bins)``, for keypoints at the bins ``nearest`` ``(...,)``."""
        bins = torch.arange(self.bins[axis], device=nearest.device)
        distance = (bins - nearest[..., None]).to(dtype)
        if self.label == "one_hot":
            others = self.label_smoothing / (self.bins[axis] - 1)
            return torch.full_like(distance, others).masked_fill(distance == 0, 1 - self.label_smoothing)
        sigma = self.sigma[axis]
        height = 1 / (sigma * math.sqrt(2 * math.pi)) if self.normalize else 1.0
        return height * torch.exp(-0.5 * (distance / sigma) ** 2)

    def encode(self, keypoints_input: Tensor, weights: Tensor) -> SimCCTargets:
        """Dense labels. Training takes its loss from coordinates instead (`SimCCLoss`): the same value, faster.

        Args:
            keypoints_input: ``(N, K, 2)`` of any floating type, input pixels.
            weights: ``(N, K)``, in the loss; where it is 0, coordinates may be anything.

        Returns:
            Labels and weights (see `locate`), in the types of ``keypoints_input`` and ``weights``.
        """
        nearest, weights = self.locate(keypoints_input, weights)
        counts = (weights > 0)[..., None]
        dtype = at_least_float32(keypoints_input).dtype
        x = torch.where(counts, self.labels(0, nearest[..., 0], dtype), 0.0)
        y = torch.where(counts, self.labels(1, nearest[..., 1], dtype), 0.0)
        return SimCCTargets(x.to(keypoints_input.dtype), y.to(keypoints_input.dtype), weights)

    def decode(self, simcc_x: Tensor, simcc_y: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints where both axes have their largest logits (the first of equals), and how large these are.

        The score is the smaller of the two largest logits, as RTMPose has it: a keypoint is as sure as its less
        sure axis. A score of 0 or less is a statement about certainty only: the coordinates stay the arg-max,
        inside the input, where RTMPose's own code replaces them by bin −1.

        With ``refine``, each coordinate moves by up to half a bin to the top of the parabola through the largest
        logit and its two neighbours. Trained logits have the shape of their Gaussian labels plus a constant, whose
        top the parabola meets to within 0.05 / sigma² bins (0.002 at sigma 4.9). At the ends of an axis nothing
        moves.

        Args:
            simcc_x: ``(N, K, x bins)`` logits of any floating type.
            simcc_y: ``(N, K, y bins)`` logits.

        Returns:
            Keypoints ``(N, K, 2)``, input pixels, and scores ``(N, K)``; float32, or float64 for float64 logits.
        """
        score_x, x = _peak(at_least_float32(simcc_x), self.refine)
        score_y, y = _peak(at_least_float32(simcc_y), self.refine)
        return torch.stack((x, y), dim=-1) / self.split_ratio, torch.minimum(score_x, score_y)


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32 or wider: 16-bit floats cannot tell 512 bins apart."""
    return values.float() if values.dtype.itemsize < 4 else values


def _peak(logits: Tensor, refine: bool) -> tuple[Tensor, Tensor]:
    """Largest of the logits ``(..., bins)`` and its position ``(...,)`` in bins."""
    largest = logits.amax(dim=-1)
    index = logits.argmax(dim=-1)
    position = index.to(logits.dtype)
    return largest, position + _parabola_shift(logits, index) if refine else position


def _parabola_shift(logits: Tensor, index: Tensor) -> Tensor:
    """From the largest logit to the top of the parabola through it and its neighbours, −0.5 to 0.5 bins."""
    last = logits.shape[-1] - 1
    inner = index.clamp(1, last - 1)
    neighbours = torch.stack((inner - 1, inner, inner + 1), dim=-1)
    before, top, after = logits.gather(-1, neighbours).unbind(dim=-1)
    curvature = before - 2 * top + after
    shift = 0.5 * (before - after) / torch.where(curvature < 0, curvature, -1.0)
    return torch.where((index == inner) & (curvature < 0), shift, 0.0)
