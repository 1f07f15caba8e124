from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from elifpose.evaluation import average_precision
from elifpose.evaluation.average_precision import (
    FIGURE_NAMES,
    RECALLS,
    average_precisions,
    figures,
    precision_recall,
)
from elifpose.evaluation.matching import Matches, match
from elifpose.evaluation.people import DetectedPeople, FloatArray, IntArray, TruePeople

RandomSet = Callable[[int], tuple[TruePeople, DetectedPeople, FloatArray]]


def matches_of(right: list[bool], people: int = 4, ignored: tuple[int, ...] = ()) -> Matches:
    """Detections in one image that are right or wrong at every threshold and in every range of areas."""
    M, shape = len(right), (3, 10, len(right))
    return Matches(
        detections=np.arange(M),
        images=np.zeros(M, dtype=np.int64),
        scores=-np.arange(M, dtype=np.float64),
        persons=np.broadcast_to(np.where(right, 0, -1).astype(np.int32), shape),
        ignored=np.broadcast_to(np.isin(np.arange(M), ignored), shape),
        num_people=np.full((3, 1), people),
        similarities=np.zeros(M),
    )


def test_precision_is_the_highest_at_this_or_a_higher_recall() -> None:
    # precision 1, 1/2, 2/3, 2/4, 3/5 at recall 1/4, 1/4, 2/4, 2/4, 3/4
    curves = precision_recall(matches_of([True, False, True, False, True]))
    expected = np.select([RECALLS <= 0.25, RECALLS <= 0.5, RECALLS <= 0.75], [1, 2 / 3, 3 / 5], 0)
    np.testing.assert_allclose(curves.precision, np.broadcast_to(expected, (3, 10, 101)), atol=1e-12)
    np.testing.assert_allclose(curves.recall, 0.75)


def test_ignored_detections_are_neither_right_nor_wrong() -> None:
    shorter = precision_recall(matches_of([True, True]))
    curves = precision_recall(matches_of([False, True, True, True], ignored=(0, 2)))
    for expected, found in zip(shorter, curves, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("right", "people", "value"), [([], 3, 0), ([False], 3, 0), ([], 0, -1), ([False], 0, -1)])
def test_figures_over_nothing(right: list[bool], people: int, value: float) -> None:
    found = figures(precision_recall(matches_of(right, people)))
    assert found == dict.fromkeys(FIGURE_NAMES, value)


def test_figures_are_means_over_their_part_of_the_curves() -> None:
    T = np.arange(10.0)
    precision = np.array([1, 100, 10000])[:, None, None] * T[:, None] * np.ones(101)
    found = figures(average_precision.Curves(precision, precision[..., 0] / 10))
    expected = [4.5, 0, 5, 450, 45000]
    assert list(found) == list(FIGURE_NAMES)
    assert list(found.values()) == pytest.approx([*expected, *(value / 10 for value in expected)])


def repeated(truth: TruePeople, detected: DetectedPeople, repeats: IntArray) -> tuple[TruePeople, DetectedPeople]:
    """The data set in which every image occurs so often."""
    copies = np.repeat(np.arange(len(repeats)), repeats)
    of_people, people_in = _rows(truth.images, copies)
    of_detections, detections_in = _rows(detected.images, copies)
    people = replace(
        truth,
        image_ids=np.arange(len(copies)),
        images=people_in,
        **{
            name: getattr(truth, name)[of_people]
            for name in ("keypoints", "labelled", "boxes", "areas", "crowd", "ignored")
        },
    )
    found = (getattr(detected, name)[of_detections] for name in ("keypoints", "scores", "areas"))
    return people, DetectedPeople(detections_in, *found)


def _rows(images: IntArray, copies: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of each copy of an image, and the copy each is in."""
    rows = [np.flatnonzero(images == image) for image in copies]
    counts = [len(each) for each in rows]
    return np.concatenate([*rows, np.zeros(0, dtype=np.int64)]), np.repeat(np.arange(len(copies)), counts)


def with_distinct_scores(detected: DetectedPeople, seed: int) -> DetectedPeople:
    return replace(detected, scores=np.random.default_rng(seed).permutation(len(detected.scores)) / 1000)


def draws(images: int, number: int, seed: int) -> IntArray:
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), number)


@pytest.mark.parametrize("seed", range(8))
def test_repeats_are_a_data_set_in_which_images_occur_so_often(seed: int, random_set: RandomSet) -> None:
    truth, detected, sigmas = random_set(seed)
    detected = with_distinct_scores(detected, seed)
    repeats = draws(len(truth.image_ids), 1, seed)[0]
    expected = precision_recall(match(*repeated(truth, detected, repeats), sigmas))
    found = precision_recall(match(truth, detected, sigmas), repeats)
    np.testing.assert_array_equal(found.precision, expected.precision)
    np.testing.assert_array_equal(found.recall, expected.recall)


@pytest.mark.parametrize("at_once", [1, 2**18])
def test_many_draws_give_what_each_gives(
    at_once: int, random_set: RandomSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(average_precision, "_VALUES_AT_ONCE", at_once)
    for seed in range(5):
        matches = match(*random_set(seed))
        repeats = draws(matches.num_people.shape[1], 9, seed)
        repeats[0] = 0  # nobody is drawn
        expected = [figures(precision_recall(matches, draw))["AP"] for draw in repeats]
        assert expected[0] == -1
        np.testing.assert_allclose(average_precisions(matches, repeats), expected, atol=1e-12)


def test_once_each_is_what_counts_without_repeats(random_set: RandomSet) -> None:
    matches = match(*random_set(3))
    once = np.ones(matches.num_people.shape[1], dtype=np.int64)
    for expected, found in zip(precision_recall(matches), precision_recall(matches, once), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_precision_never_rises_with_recall(random_set: RandomSet) -> None:
    curves = precision_recall(match(*random_set(3)))
    assert 0 < curves.precision[0].mean() < 1
    assert (np.diff(curves.precision, axis=-1) <= 0).all()
