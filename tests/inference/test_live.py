from pathlib import Path

import numpy as np

from elifpose.biomechanics.points import FloatArray
from elifpose.inference.live import LiveAngles


def test_angles_come_with_little_delay_and_without_most_of_the_noise(
    walk_keypoints: FloatArray, reference: Path
) -> None:
    truth = np.loadtxt(reference / "sports2d_truth_R.csv", delimiter=",", skiprows=1)[:, [4, 5, 6, 1, 2, 3]]
    noisy = walk_keypoints.copy()
    noisy[..., :2] += np.random.default_rng(0).normal(0, 5, noisy[..., :2].shape)
    found = {}
    for name, keypoints in (("clean", walk_keypoints), ("noisy", noisy)):
        live = LiveAngles()
        frames = [live(3, frame / 30, points) for frame, points in enumerate(keypoints)]
        found[name] = np.array([np.concatenate([*legs["left"], *legs["right"]]) for legs in frames])
    np.testing.assert_allclose(found["clean"][0], truth[0], atol=1e-3)  # the first frame as it is
    errors = {name: np.sqrt(np.square(values - truth)[30:].mean(axis=0)) for name, values in found.items()}
    assert errors["clean"].max() < 4.5  # it lags behind
    assert errors["noisy"].max() < 6.0
    assert live.line.startswith("person 3: left ")


def test_people_do_not_mix_and_what_is_not_seen_is_not_known(walk_keypoints: FloatArray) -> None:
    alone, both = LiveAngles(), LiveAngles()
    for frame in range(10):
        expected = alone(0, frame / 30, walk_keypoints[frame])
        both(1, frame / 30, walk_keypoints[frame + 90])
        found = both(0, frame / 30, walk_keypoints[frame])
        np.testing.assert_array_equal(found["left"], expected["left"])
    unsure = walk_keypoints[10] * np.array([1.0, 1.0, 0.1])
    assert np.isnan(alone(0, 1.0, unsure)["right"]).all()
    assert alone.line == "person 0: left – – –, right – – – (hip knee ankle)"
