"""How far average precision would move with other images of the same kind: paired bootstrap over images."""

from typing import NamedTuple

from elifpose.evaluation.matching import Matches


class Interval(NamedTuple):
    """An estimate and the bounds of its interval."""

    estimate: float
    low: float
    high: float


def bootstrap_ap(matches: Matches, replicates: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile interval of AP over draws of as many images, with replacement."""
    raise NotImplementedError


def bootstrap_ap_difference(
    first: Matches, second: Matches, replicates: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of AP(second) − AP(first), both judged on the same draws of images."""
    raise NotImplementedError
