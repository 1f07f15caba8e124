import contextlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from elifpose.evaluation import matching
from elifpose.evaluation.matching import AREAS, OKS_THRESHOLDS, Matches, match
from elifpose.evaluation.oks import oks
from elifpose.evaluation.people import BoolArray, DetectedPeople, FloatArray, TruePeople

RandomSet = Callable[[int], tuple[TruePeople, DetectedPeople, FloatArray]]

ALL, HALF = 0, 0
"""Of areas and thresholds."""
SIGMAS = np.array([0.1, 0.1])


def people(*lefts: float, crowd: int | None = None) -> TruePeople:
    """In one image: two keypoints, 10 pixels apart; one may be a crowd."""
    G = len(lefts)
    points = np.array([[[left, 0.0], [left, 10.0]] for left in lefts]).reshape(G, 2, 2)
    boxes = np.array([[left, 0.0, 100.0, 100.0] for left in lefts]).reshape(G, 4)
    crowds = np.arange(G) == crowd
    return TruePeople(
        np.array([7]), np.zeros(G, dtype=np.int64), points, np.ones((G, 2), dtype=np.bool_), boxes,
        np.full(G, 10000.0), crowds, crowds.copy(),
    )  # fmt: skip


def detections(*lefts: float, area: float = 10000.0) -> DetectedPeople:
    """In the same image, by decreasing score."""
    D = len(lefts)
    points = np.array([[[left, 0.0], [left, 10.0]] for left in lefts]).reshape(D, 2, 2)
    return DetectedPeople(np.zeros(D, dtype=np.int64), points, -np.arange(D) / 1.0, np.full(D, area))


def outcome(truth: TruePeople, found: DetectedPeople) -> tuple[list[int], list[bool]]:
    """Whom each detection finds among people of all areas at OKS 0.5, and whether it is ignored."""
    matches = match(truth, found, SIGMAS)
    return matches.persons[ALL, HALF].tolist(), matches.ignored[ALL, HALF].tolist()


def test_the_best_detection_chooses_first_and_the_most_similar_person() -> None:
    assert outcome(people(0, 10), detections(6, 5, 0)) == ([1, 0, -1], [False] * 3)


def test_of_equally_similar_people_the_last_is_found() -> None:
    assert outcome(people(0, 0, 500), detections(0, 0)) == ([1, 0], [False] * 2)


def test_a_person_who_counts_goes_before_a_more_similar_crowd() -> None:
    assert outcome(people(0, 8, crowd=0), detections(0)) == ([1], [False])
    assert outcome(people(0, 80, crowd=0), detections(0)) == ([0], [True])


def test_a_crowd_is_found_by_any_number() -> None:
    assert outcome(people(0, 500, crowd=0), detections(0, 0, 1)) == ([0] * 3, [True] * 3)


def test_who_is_ignored_without_being_a_crowd_is_found_once() -> None:
    truth = people(0, 500)
    truth.ignored[0] = True
    assert outcome(truth, detections(0, 0)) == ([0, -1], [True, False])


def test_outside_the_range_of_areas_people_and_false_detections_are_ignored() -> None:
    matches = match(people(0), detections(0, 500, area=96.0**2), SIGMAS)  # the end of both ranges
    assert matches.persons[:, HALF].tolist() == [[0, -1]] * 3
    assert dict(zip(AREAS, matches.ignored[:, HALF].tolist(), strict=True)) == {
        "all": [False, False],
        "M": [True, False],
        "L": [False, False],
    }
    assert matches.num_people.tolist() == [[1], [0], [1]]


def test_equal_points_reach_every_threshold() -> None:
    assert (match(people(3), detections(3), SIGMAS).persons[ALL] == 0).all()


def test_20_detections_of_an_image_count() -> None:
    found = detections(*[500.0] * 20, 0)
    assert match(people(0), found, SIGMAS).detections.tolist() == list(range(20))
    assert len(match(people(), detections(), SIGMAS).detections) == 0


def _evaluated(truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray) -> COCOeval:
    """pycocotools, after matching."""
    images = [{"id": image} for image in range(len(truth.image_ids))]
    cocos = COCO(), COCO()
    annotated = np.dstack((truth.keypoints, truth.labelled)).reshape(len(truth.images), -1)
    found = np.dstack((detected.keypoints, np.ones(detected.keypoints.shape[:2]))).reshape(len(detected.images), -1)
    rows = [
        [
            {
                "id": i + 1, "image_id": truth.images[i], "category_id": 1, "keypoints": annotated[i],
                "bbox": truth.boxes[i], "area": truth.areas[i], "iscrowd": int(truth.crowd[i]),
                "num_keypoints": int(not truth.ignored[i]),
            }
            for i in range(len(annotated))
        ],
        [
            {
                "id": i + 1, "image_id": detected.images[i], "category_id": 1, "keypoints": found[i],
                "area": detected.areas[i], "score": detected.scores[i],
            }
            for i in range(len(found))
        ],
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        for coco, annotations in zip(cocos, rows, strict=True):
            coco.dataset = {"images": images, "categories": [{"id": 1}], "annotations": annotations}
            coco.createIndex()
        evaluation = COCOeval(*cocos, "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
    return evaluation


def by_pycocotools(evaluation: COCOeval, detections: int) -> tuple[FloatArray, BoolArray, BoolArray]:
    """``(A, T, D)`` person found (from 1, 0 for none) and whether ignored; ``(D,)`` whether the detection counts."""
    persons = np.zeros((len(AREAS), len(OKS_THRESHOLDS), detections))
    ignored, counts = np.zeros(persons.shape, dtype=np.bool_), np.zeros(detections, dtype=np.bool_)
    per_area = len(evaluation.evalImgs) // len(AREAS)
    for number, of_image in enumerate(evaluation.evalImgs):
        if of_image is not None:
            rows = np.array(of_image["dtIds"], dtype=np.int64) - 1
            persons[number // per_area][:, rows] = of_image["dtMatches"]
            ignored[number // per_area][:, rows] = of_image["dtIgnore"]
            counts[rows] = True
    return persons, ignored, counts


def test_everyone_is_matched_as_by_pycocotools(random_set: RandomSet) -> None:
    several = 0
    for seed in range(40):
        truth, detected, sigmas = random_set(seed)
        persons, ignored, counts = by_pycocotools(_evaluated(truth, detected, sigmas), len(detected.images))
        matches = match(truth, detected, sigmas)
        assert sorted(matches.detections.tolist()) == np.flatnonzero(counts).tolist()
        np.testing.assert_array_equal(matches.persons + 1, persons[:, :, matches.detections])
        np.testing.assert_array_equal(matches.ignored, ignored[:, :, matches.detections])
        several += int((matches.persons >= 0).sum())
    assert several > 1000


def test_order_scores_and_images_are_those_of_the_detections(random_set: RandomSet) -> None:
    truth, detected, sigmas = random_set(3)
    matches = match(truth, detected, sigmas)
    assert len(matches.scores) > 20
    assert (np.diff(matches.scores) <= 0).all()
    np.testing.assert_array_equal(matches.scores, detected.scores[matches.detections])
    np.testing.assert_array_equal(matches.images, detected.images[matches.detections])


def test_similarities_are_the_highest_with_anybody_who_counts(random_set: RandomSet) -> None:
    truth, detected, sigmas = random_set(3)
    matches = match(truth, detected, sigmas)
    everyone = oks(detected.keypoints, truth.keypoints, truth.labelled, truth.areas, truth.boxes, sigmas)
    compared = (detected.images[:, None] == truth.images) & ~truth.ignored
    expected = np.where(compared, everyone, 0.0).max(axis=1)[matches.detections]
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_allclose(matches.similarities, expected, rtol=1e-12)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_chunks_do_not_matter(at_once: int, random_set: RandomSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Matches:
        return match(*random_set(3))

    whole = found()
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", at_once)
    for expected, values in zip(whole, found(), strict=True):
        np.testing.assert_array_equal(values, expected)
