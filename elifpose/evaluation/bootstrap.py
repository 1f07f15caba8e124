"""How far average precision would move with other images of the same kind: paired bootstrap over images."""

from typing import NamedTuple

import numpy as np

from elifpose.evaluation.average_precision import average_precisions, figures, precision_recall
from elifpose.evaluation.matching import Matches
from elifpose.evaluation.people import FloatArray
from elifpose.utils.errors import ElifPoseError

_AT_ONCE = 100  # draws, so that those of 100,000 images take 80 MB


class Interval(NamedTuple):
    """An estimate and the bounds of its interval."""

    estimate: float
    low: float
    high: float


def bootstrap_ap(matches: Matches, replicates: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile interval of AP over draws of as many images, with replacement.

    Source: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979. Images are drawn
    rather than people, because the people of one image are not independent. Draws in which nobody counts are left
    out.

    Args:
        matches: Of a whole data set.
        replicates: How many draws.
        seed: Of the draws; the same one gives the same interval.
        level: Share of the draws that lie within the bounds.

    Returns:
        AP and its bounds; −1 for all three if nobody counts.

    Raises:
        ValueError: If there are no draws, or the level is not between 0 and 1.
    """
    (estimate,), (drawn,) = _estimates_and_draws((matches,), replicates, seed, level)
    return _interval(float(estimate), drawn[drawn >= 0], level, nothing=-1.0)


def bootstrap_ap_difference(
    first: Matches, second: Matches, replicates: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of AP(second) − AP(first), both judged on the same draws of images.

    What makes an image hard is the same for both, so the interval is narrower than those of each AP suggest.

    Args:
        first: Of a whole data set.
        second: Of other detections in the same data set.
        replicates: How many draws.
        seed: Of the draws; the same one gives the same interval.
        level: Share of the draws that lie within the bounds.

    Returns:
        The difference and its bounds; NaN for all three if nobody counts.

    Raises:
        ElifPoseError: If the two were judged against different people.
        ValueError: If there are no draws, or the level is not between 0 and 1.
    """
    if not np.array_equal(first.num_people, second.num_people):
        raise ElifPoseError(
            f"two sets of detections were judged on different annotations (of {first.num_people.shape[1]} and "
            f"{second.num_people.shape[1]} images), so their AP cannot be compared: evaluate both on the same file"
        )
    estimates, drawn = _estimates_and_draws((first, second), replicates, seed, level)
    differences = (drawn[1] - drawn[0])[(drawn >= 0).all(axis=0)]
    return _interval(float(estimates[1] - estimates[0]), differences, level, nothing=float("nan"))


def _estimates_and_draws(
    all_matches: tuple[Matches, ...], replicates: int, seed: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """AP ``(S,)`` of each on the images themselves, and ``(S, replicates)`` on the same draws of them."""
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}; give 1 or more")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a share between 0 and 1")
    num_images = all_matches[0].num_people.shape[1]
    estimates = np.array([figures(precision_recall(matches))["AP"] for matches in all_matches])
    if num_images == 0:
        return estimates, np.full((len(all_matches), replicates), -1.0)
    rng, shares = np.random.default_rng(seed), np.full(num_images, 1.0 / num_images)
    drawn = []
    for start in range(0, replicates, _AT_ONCE):
        repeats = rng.multinomial(num_images, shares, size=min(_AT_ONCE, replicates - start))
        drawn.append(np.stack([average_precisions(matches, repeats) for matches in all_matches]))
    return estimates, np.concatenate(drawn, axis=1)


def _interval(estimate: float, drawn: FloatArray, level: float, nothing: float) -> Interval:
    if not drawn.size:
        return Interval(nothing, nothing, nothing)
    low, high = np.quantile(drawn, (0.5 - level / 2, 0.5 + level / 2))
    return Interval(estimate, float(low), float(high))
