"""Numbers as of large sets, without the sets."""

from collections.abc import Callable

import numpy as np
import pytest

from elifpose.datasets.statistics.counting import REASONS, SetStatistics

MakeStatistics = Callable[..., SetStatistics]


@pytest.fixture
def make_statistics() -> MakeStatistics:
    """A function that makes up the statistics of so many people with 26 keypoints, of which some nobody labels."""

    def make(name: str, people: int, median_height: float = 150.0, epoch_people: int | None = None) -> SetStatistics:
        rng = np.random.default_rng(people)
        heights = median_height * np.exp(rng.normal(0, 0.8, people))
        labelled = rng.integers(0, people + 1, 26)
        labelled[20:] = 0
        return SetStatistics(
            name=name,
            people_per_image=rng.integers(1, 20, people // 2 + 1),
            box_sizes=np.stack((heights / 2, heights), axis=1),
            person_sizes=heights / 3,
            cut_off=rng.random((people, 4)) < 0.1,
            keypoints_per_person=rng.integers(1, 21, people),
            labelled=labelled,
            hidden=labelled // 3,
            left_out=dict.fromkeys(REASONS, people // 20),
            epoch_people=epoch_people,
        )

    return make
