import numpy as np
import pytest

from elifpose.datasets.transforms import GeometricTransform, half_body_region
from elifpose.structures.skeletons import HALPE26


@pytest.mark.parametrize(
    ("upper", "lower", "same_place"),
    [(1, 2, False), (13, 0, True)],
    ids=["too few on both halves", "all at one place"],
)
def test_half_body_needs_enough_keypoints_apart(upper: int, lower: int, same_place: bool) -> None:
    labelled = np.zeros(26, dtype=bool)
    labelled[list(HALPE26.upper_body_indices[:upper] + HALPE26.lower_body_indices[:lower])] = True
    keypoints = np.random.default_rng(1).uniform(60.0, 240.0, (26, 2)) * (0.001 if same_place else 1.0)
    assert half_body_region(keypoints, labelled, HALPE26, upper=True, padding=1.5) is None


@pytest.mark.parametrize(("wanted", "upper", "lower", "taken"), [(True, 2, 2, "upper"), (False, 1, 3, "lower")])
def test_half_body_is_content_with_two_above_or_three_below(wanted: bool, upper: int, lower: int, taken: str) -> None:
    chosen = {"upper": HALPE26.upper_body_indices[:upper], "lower": HALPE26.lower_body_indices[:lower]}
    labelled = np.zeros(26, dtype=bool)
    labelled[list(chosen["upper"] + chosen["lower"])] = True
    keypoints = np.random.default_rng(1).uniform(60.0, 240.0, (26, 2))
    region = half_body_region(keypoints, labelled, HALPE26, upper=wanted, padding=1.5)
    assert region is not None
    np.testing.assert_allclose(region.center, keypoints[list(chosen[taken])].mean(axis=0))


@pytest.mark.parametrize(("labelled", "half"), [(8, False), (9, True)])
def test_half_body_is_for_nine_labelled_keypoints_and_more(labelled: int, half: bool) -> None:
    keypoints = np.random.default_rng(1).uniform(60.0, 240.0, (26, 2))
    box, size = np.array([50.0, 50.0, 200.0, 200.0]), (192, 256)
    transform = GeometricTransform(flip_prob=0, shift_prob=0, scale_factor=0, rotation_prob=0, half_body_prob=1)
    mask = np.arange(26) < labelled
    drawn = transform.draw(keypoints, mask, box, HALPE26, size, np.random.default_rng(0))
    plain = transform.draw(keypoints, mask, box, HALPE26, size, None)
    assert np.allclose(drawn.matrix, plain.matrix) != half
