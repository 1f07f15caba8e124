"""How far what an exported file answers is from what its network answers."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.export.contract import Precision
from elifpose.export.running import Answer, Runner
from elifpose.utils.errors import ElifPoseError


class Tie(NamedTuple):
    """When a keypoint counts as one that the network leaves to rounding."""

    apart: int
    """Bins from the largest logit from which on another one counts."""
    below: float
    """By how much of the person's range the largest of those is lower, or less."""


class Bound(NamedTuple):
    """How far a file may be from its network; infinite where nothing is asked."""

    tie: Tie
    """Which keypoints are left out."""
    mean_px: float = math.inf
    """Mean distance of the others, input pixels."""
    max_px: float = math.inf
    """Largest distance of the others, input pixels."""
    logits: float = math.inf
    """Largest difference of logits as a part of the person's range."""


# Of a smooth curve the two highest bins are almost as high: what rounds coarser than float32 often takes the bin
# beside, half a pixel at two bins a pixel. That counts; only a second peak far from the first does not.
_SECOND_PEAK = 16
BOUNDS: dict[Precision, Bound] = {
    "float32": Bound(Tie(apart=1, below=1e-4), max_px=0.02, logits=1e-4),
    "float16": Bound(Tie(apart=_SECOND_PEAK, below=2e-3), mean_px=0.1),
    "int8": Bound(Tie(apart=_SECOND_PEAK, below=0.05), mean_px=0.5),
}


class Difference(NamedTuple):
    """Of two answers for the same people."""

    people: int
    keypoints: int
    """How many were compared."""
    ties: int
    """How many of them the reference leaves to rounding."""
    mean_px: float
    """Mean distance of the others, input pixels."""
    max_px: float
    """Their largest distance."""
    mean_of_all_px: float
    """Mean distance, ties included."""
    percentile_99_px: float
    """99 % of the distances are at most that, ties included."""
    logits: float | None
    """Largest difference of logits as a part of the person's range; None where the file gives none."""
    mean_score: float
    """Mean difference of scores without sign."""
    max_score: float
    """Largest such difference."""


class _Rows(NamedTuple):
    """What is compared of a batch, ``(N, K)`` each."""

    distances: Tensor
    ties: Tensor
    logits: Tensor | None
    scores: Tensor


def compare(
    reference: Runner,
    exported: Runner,
    crops: Iterable[Tensor],
    tie: Tie = BOUNDS["float32"].tie,
    calibration: ScoreCalibration | None = None,
) -> Difference:
    """Run both on the same crops.

    Args:
        reference: The network.
        exported: The file.
        crops: Batches ``(N, 3, H, W)`` uint8 RGB.
        tie: Which keypoints count as ties.
        calibration: Done to scores of an answer that has logits: so are raw scores made comparable with those of a
            file that calibrates inside.

    Raises:
        ElifPoseError: There is no crop.
    """
    rows = [_compared(reference(images), exported(images), tie, calibration) for images in crops]
    if not rows:
        raise ElifPoseError("the export cannot be checked: there is no crop of a person; give a data set with people")
    distances, ties, scores = (
        torch.cat(of) for of in zip(*((row.distances, row.ties, row.scores) for row in rows), strict=True)
    )
    logits = [row.logits for row in rows if row.logits is not None]
    others = distances.masked_fill(ties, 0)
    return Difference(
        people=len(distances),
        keypoints=distances.numel(),
        ties=int(ties.sum()),
        mean_px=float(others.sum() / (~ties).sum().clamp(min=1)),
        max_px=float(others.amax()),
        mean_of_all_px=float(distances.mean()),
        percentile_99_px=float(distances.quantile(0.99)),
        logits=float(torch.cat(logits).amax()) if logits else None,
        mean_score=float(scores.mean()),
        max_score=float(scores.amax()),
    )


def check(difference: Difference, bound: Bound) -> None:
    """Raise `ElifPoseError`, with the figures, if a file is further from its network than it may be."""
    measured = (
        ("mean distance of keypoints", difference.mean_px, bound.mean_px, " px"),
        ("largest distance of keypoints", difference.max_px, bound.max_px, " px"),
        ("largest difference of logits by their range", difference.logits or 0.0, bound.logits, ""),
        ("mean difference of scores", difference.mean_score, math.inf, ""),
    )
    above = [
        f"{what} {value:.3g}{unit}, allowed {most:g}{unit}"
        for what, value, most, unit in measured
        if not value <= most  # so it is of NaN
    ]
    if above:
        raise ElifPoseError(
            f"the exported file does not answer as its network, on {difference.people} people: {'; '.join(above)}"
        )


def final_scores(answer: Answer, calibration: ScoreCalibration | None) -> Tensor:
    """Scores ``(N, K)``, calibrated if there is a calibration: by the file, or else here."""
    return answer.scores if calibration is None or answer.simcc is None else calibration(answer.scores)


def pixel_distances(first: Tensor, second: Tensor) -> Tensor:
    """Distances ``(N, K)`` between keypoints ``(N, K, 2)``, in their unit."""
    distances: Tensor = torch.linalg.vector_norm(first - second, dim=-1)
    return distances


def person_range(logits: Tensor) -> Tensor:
    """Largest minus smallest of each person's logits ``(N, K, bins)``, as ``(N, 1, 1)``; above 0."""
    difference = logits.amax((1, 2), keepdim=True) - logits.amin((1, 2), keepdim=True)
    return difference.clamp(min=torch.finfo(difference.dtype).tiny)


def near_ties(logits: Tensor, tie: Tie) -> Tensor:
    """Which of the curves ``(N, K, bins)`` have a second bin that is almost as high as the highest: ``(N, K)``."""
    top, at = logits.max(dim=-1, keepdim=True)
    near = (torch.arange(logits.shape[-1]) - at).abs() < tie.apart
    second = logits.masked_fill(near, -math.inf).amax(dim=-1)
    tied: Tensor = top.squeeze(-1) - second < tie.below * person_range(logits).squeeze(-1)
    return tied


def relative_difference(logits: Tensor, others: Tensor) -> Tensor:
    """Largest difference over the bins as a part of the range of the first, ``(N, K)``, of ``(N, K, bins)``."""
    return ((logits - others).abs() / person_range(logits)).amax(dim=-1)


def _compared(reference: Answer, exported: Answer, tie: Tie, calibration: ScoreCalibration | None) -> _Rows:
    distances = pixel_distances(reference.keypoints_input, exported.keypoints_input)
    scores = (final_scores(reference, calibration) - final_scores(exported, calibration)).abs()
    if reference.simcc is None:
        return _Rows(distances, torch.zeros_like(distances, dtype=torch.bool), None, scores)
    x_ties, y_ties = (near_ties(logits, tie) for logits in reference.simcc)
    if exported.simcc is None:
        return _Rows(distances, x_ties | y_ties, None, scores)
    x, y = (relative_difference(*pair) for pair in zip(reference.simcc, exported.simcc, strict=True))
    return _Rows(distances, x_ties | y_ties, torch.maximum(x, y), scores)
