from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from elifpose.evaluation.average_precision import FIGURE_NAMES
from elifpose.evaluation.backends import figures_by
from elifpose.evaluation.people import DetectedPeople, FloatArray, TruePeople

RandomSet = Callable[[int], tuple[TruePeople, DetectedPeople, FloatArray]]


def test_everybody_gives_the_same_figures(random_set: RandomSet) -> None:
    seen = []
    for seed in range(40):
        own, other = (figures_by(name, *random_set(seed)) for name in ("arrays", "pycocotools"))
        assert tuple(own) == tuple(other) == FIGURE_NAMES
        assert own == pytest.approx(other, abs=1e-12)
        seen.append(own["AP"])
    assert min(seen) < 0.2 < 0.6 < max(seen)  # they are not all trivial


def test_scores_that_are_no_numbers_come_last_for_everybody(random_set: RandomSet) -> None:
    truth, detected, sigmas = random_set(1)
    scores = detected.scores.copy()
    scores[::3], scores[1], scores[2] = np.nan, np.inf, -np.inf
    found = replace(detected, scores=scores)
    figures = figures_by("pycocotools", truth, found, sigmas)
    assert figures == pytest.approx(figures_by("arrays", truth, found, sigmas), abs=1e-12)
    assert figures != figures_by("pycocotools", truth, detected, sigmas)


def test_nothing_is_printed(random_set: RandomSet, capfd: pytest.CaptureFixture[str]) -> None:
    figures_by("pycocotools", *random_set(0))
    assert capfd.readouterr() == ("", "")
