from collections.abc import Callable

import numpy as np
import pytest

from elifpose.evaluation.people import DetectedPeople, FloatArray, TruePeople

RandomSet = Callable[[int], tuple[TruePeople, DetectedPeople, FloatArray]]


@pytest.fixture(scope="session")
def random_set() -> RandomSet:
    """Of a seed: people with crowds, unlabelled ones and twins, detections with ties and repetitions, and sigmas."""
    return _random_set


def _random_set(seed: int) -> tuple[TruePeople, DetectedPeople, FloatArray]:
    rng = np.random.default_rng(seed)
    I, G, D, K = (int(rng.integers(*bounds)) for bounds in ((1, 12), (1, 40), (0, 200), (2, 20)))  # noqa: E741
    images = np.sort(rng.integers(0, I, G))
    corners, sizes = rng.uniform(0, 300, (G, 2)), rng.uniform(10, 200, (G, 2))
    points = corners[:, None] + rng.random((G, K, 2)) * sizes[:, None]
    points[rng.integers(0, G, 3)] = points[rng.integers(0, G, 3)]
    labelled = rng.random((G, K)) < rng.choice([0, 0.1, 0.6, 1], (G, 1), p=[0.15, 0.15, 0.3, 0.4])
    crowd = rng.random(G) < 0.15
    areas = 0.53 * sizes.prod(axis=1)
    truth = TruePeople(
        image_ids=np.arange(I) * 3 + 5,
        images=images,
        keypoints=points,
        labelled=labelled,
        boxes=np.concatenate((corners, sizes), axis=1),
        areas=areas,
        crowd=crowd,
        ignored=crowd | ~labelled.any(axis=1) | (rng.random(G) < 0.05),
    )
    of = rng.integers(0, G, D)
    noise = rng.standard_normal((D, K, 2)) * rng.choice([0.0, 1.0, 5.0, 30.0], (D, 1, 1))
    scores = rng.choice([rng.random(D), rng.random(D).round(1), np.zeros(D)])
    detected = DetectedPeople(images[of], points[of] + noise, scores, areas[of] * rng.uniform(0.8, 1.2, D))
    return truth, detected, rng.uniform(0.02, 0.15, K)
