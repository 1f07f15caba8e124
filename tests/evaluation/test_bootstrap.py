from typing import Any

import numpy as np
import pytest

from elifpose.evaluation.average_precision import figures, precision_recall
from elifpose.evaluation.bootstrap import Interval, bootstrap_ap, bootstrap_ap_difference
from elifpose.evaluation.coco_figures import coco_keypoint_figures
from elifpose.evaluation.matching import Matches, match
from elifpose.evaluation.people import DetectedPeople, TruePeople
from elifpose.utils.errors import ElifPoseError

SIGMAS = np.array([0.1, 0.08, 0.12])
IMAGES = 8


def ground_truth(images: int = IMAGES) -> dict[str, Any]:
    """One to three people per image."""
    rng = np.random.default_rng(1)
    people = [
        {
            "id": 10 * image + i,
            "image_id": image,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [0, 0, 60, 60],
            "area": 2000.0,
            "num_keypoints": 3,
            "keypoints": np.column_stack((rng.uniform(0, 300, (3, 2)), [2, 2, 2])).ravel().tolist(),
        }
        for image in range(images)
        for i in range(1 + image % 3)
    ]
    return {"images": [{"id": image} for image in range(images)], "annotations": people}


def detections(truth: dict[str, Any], noise: float, seed: int = 2) -> list[dict[str, Any]]:
    """Everyone, some nearer and some farther, with different scores."""
    rng = np.random.default_rng(seed)
    return [
        {
            "image_id": person["image_id"],
            "category_id": 1,
            "bbox": person["bbox"],
            "score": float(rng.random()),
            "keypoints": (
                np.reshape(person["keypoints"], (3, 3))
                + np.column_stack((rng.normal(0, noise, (3, 2)) * rng.choice((0.3, 2.0)), np.zeros(3)))
            )
            .ravel()
            .tolist(),
        }
        for person in truth["annotations"]
    ]


def matches_of(truth: dict[str, Any], found: list[dict[str, Any]]) -> Matches:
    people = TruePeople.from_coco(truth, 3)
    return match(people, DetectedPeople.from_coco(found, people.image_ids, 3), SIGMAS)


def ap_of_repeated_images(truth: dict[str, Any], found: list[dict[str, Any]], repeats: list[int]) -> float:
    """By pycocotools, of a data set in which each image stands as often as it was drawn."""
    images, annotations, results = [], [], []
    for image, times in enumerate(repeats):
        for copy in range(times):
            key = {"image_id": 1000 * image + copy}
            images.append({"id": key["image_id"]})
            annotations += [a | key for a in truth["annotations"] if a["image_id"] == image]
            results += [d | key for d in found if d["image_id"] == image]
    return coco_keypoint_figures(
        {"images": images, "annotations": annotations}, results, SIGMAS.tolist(), "pycocotools"
    )[0]


def test_interval_is_that_of_physically_repeated_images() -> None:
    truth = ground_truth()
    found = detections(truth, noise=12)
    draws = np.random.default_rng(7).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=12)
    values = [ap_of_repeated_images(truth, found, repeats) for repeats in draws.tolist()]
    assert len(set(values)) > 6
    interval = bootstrap_ap(matches_of(truth, found), replicates=12, seed=7, level=0.8)
    assert interval.estimate == pytest.approx(ap_of_repeated_images(truth, found, [1] * IMAGES), abs=1e-12)
    assert (interval.low, interval.high) == pytest.approx(np.quantile(values, (0.1, 0.9)), abs=1e-12)


def test_difference_is_that_on_the_same_images() -> None:
    truth = ground_truth()
    first, second = detections(truth, noise=16), detections(truth, noise=9, seed=3)
    draws = np.random.default_rng(0).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=10).tolist()
    values = [
        ap_of_repeated_images(truth, second, each) - ap_of_repeated_images(truth, first, each) for each in draws
    ]
    found = bootstrap_ap_difference(matches_of(truth, first), matches_of(truth, second), replicates=10, level=0.5)
    assert (found.low, found.high) == pytest.approx(np.quantile(values, (0.25, 0.75)), abs=1e-12)


def test_more_draws_than_are_made_at_once_are_as_many() -> None:
    truth = ground_truth()
    matches = matches_of(truth, detections(truth, noise=12))
    few, many = (bootstrap_ap(matches, replicates=count) for count in (100, 250))
    assert few != many
    assert bootstrap_ap(matches, replicates=250) == many


def test_estimate_is_the_data_sets_own_figure_within_its_interval() -> None:
    truth = ground_truth(40)
    matches = matches_of(truth, detections(truth, noise=12))
    interval = bootstrap_ap(matches, replicates=200)
    assert interval.estimate == figures(precision_recall(matches))["AP"]
    assert 0 < interval.low < interval.estimate < interval.high < 1
    narrow = bootstrap_ap(matches, replicates=200, level=0.5)
    assert interval.low < narrow.low < narrow.high < interval.high
    assert bootstrap_ap(matches, replicates=200, seed=1) != interval


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    everyone = ground_truth(400)
    found = detections(everyone, noise=12)
    whole = bootstrap_ap(matches_of(everyone, found), replicates=1).estimate
    covered = []
    for part in range(20):
        chosen = set(range(part, 400, 20))
        truth = {
            "images": [image for image in everyone["images"] if image["id"] in chosen],
            "annotations": [person for person in everyone["annotations"] if person["image_id"] in chosen],
        }
        interval = bootstrap_ap(matches_of(truth, [d for d in found if d["image_id"] in chosen]), 200, level=0.9)
        covered.append(interval.low <= whole <= interval.high)
    assert 14 <= sum(covered) <= 20


def test_equal_detections_differ_by_nothing_and_better_ones_by_more() -> None:
    truth = ground_truth(40)
    worse, better = (matches_of(truth, detections(truth, noise)) for noise in (20, 6))
    assert bootstrap_ap_difference(worse, worse, replicates=50) == Interval(0, 0, 0)
    difference = bootstrap_ap_difference(worse, better, replicates=100)
    assert 0 < difference.low < difference.estimate < difference.high
    assert bootstrap_ap_difference(better, worse, replicates=100).high < 0


def test_different_annotations_cannot_be_compared() -> None:
    few, many = (ground_truth(images) for images in (3, 4))
    with pytest.raises(ElifPoseError, match=r"of 3 and 4 images.*evaluate both on the same file"):
        bootstrap_ap_difference(matches_of(few, []), matches_of(many, []))


def test_images_without_anybody_give_no_interval() -> None:
    for images in ([], [{"id": 1}]):
        nobody = matches_of({"images": images, "annotations": []}, [])
        assert bootstrap_ap(nobody, replicates=5) == Interval(-1, -1, -1)
        assert np.isnan(bootstrap_ap_difference(nobody, nobody, replicates=5)).all()


def test_draws_without_anybody_are_left_out() -> None:
    truth = ground_truth(1)
    truth["images"].append({"id": 1})  # drawn twice in a quarter of the draws
    interval = bootstrap_ap(matches_of(truth, detections(truth, noise=0)), replicates=50)
    assert interval == pytest.approx(Interval(1, 1, 1))


@pytest.mark.parametrize(("argument", "value"), [("replicates", 0), ("level", 0.0), ("level", 1.0)])
def test_nothing_can_be_drawn_or_bounded(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{argument} is {value}"):
        bootstrap_ap(matches_of(ground_truth(2), []), **{argument: value})
