import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.evaluation.coco_figures import coco_keypoint_figures
from elifpose.evaluation.nms import suppress
from elifpose.evaluation.oks import FloatArray, oks
from elifpose.evaluation.people import IntArray
from elifpose.evaluation.scores import person_scores
from elifpose.evaluation.settings import PersonScore

COCO_NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
SIGMA, AREA = 0.1, 400.0
THRESHOLD = 0.9


def shifts_of(similarity: float) -> float:
    """Pixels between two keypoints whose similarity is this one."""
    return float(np.sqrt(-np.log(similarity) * 2 * AREA * (2 * SIGMA) ** 2))


def suppress_points(
    x: list[float], scores: list[float], mode: Any, threshold: float = THRESHOLD, images: list[int] | None = None
) -> tuple[list[int], list[float]]:
    """Of detections of one keypoint on a line."""
    keypoints = np.array([[[value, 7.0]] for value in x]).reshape(-1, 1, 2)
    where = np.array(images or [0] * len(x), dtype=np.int64)
    areas, sigmas = np.full(len(x), AREA), np.array([SIGMA])
    kept, values = suppress(where, keypoints, np.array(scores), areas, sigmas, mode, threshold)
    return kept.tolist(), values.tolist()


@pytest.mark.parametrize("K", [17, 26])
@pytest.mark.parametrize("score", ["bbox", "keypoint", "bbox_keypoint", "bbox_rle"])
@pytest.mark.parametrize("threshold", [0.9, 0.5])
def test_hard_suppression_equals_the_stored_figures(
    reference: Path, K: int, score: PersonScore, threshold: float
) -> None:
    stored = json.loads((reference / "synth_metric.json").read_text())[str(K)]
    truth = json.loads((reference / f"synth_metric_gt{K}.json").read_text())
    expected = stored["results"][f"{score}/oks_nms@{threshold}"]
    samples = {name: np.array(values) for name, values in stored["samples"].items()}
    scores = person_scores(samples["keypoint_scores"], samples["bbox_scores"], score)
    areas = samples["bbox_scales"].prod(axis=1)  # the padded boxes'
    sigmas = np.array(stored["sigmas"])
    kept, scores = suppress(samples["img_id"], samples["keypoints"], scores, areas, sigmas, "hard", threshold)
    assert len(kept) == expected["n_kept"]
    assert scores.sum() == pytest.approx(expected["score_sum"], abs=1e-5)
    detections = [
        {
            "image_id": int(samples["img_id"][i]),
            "category_id": 1,
            "keypoints": np.column_stack((samples["keypoints"][i], np.ones(K))).ravel().tolist(),
            "score": value,
            "bbox": [*samples["bboxes"][i, :2], *(samples["bboxes"][i, 2:] - samples["bboxes"][i, :2])],
        }
        for i, value in zip(kept.tolist(), scores.tolist(), strict=True)
    ]
    figures = coco_keypoint_figures(truth, detections, stored["sigmas"], "pycocotools")
    assert figures == pytest.approx([expected[f"coco/{name}"] for name in COCO_NAMES], abs=1e-9)


def test_what_resembles_a_better_one_is_dropped() -> None:
    near, far = shifts_of(0.95), shifts_of(0.85)
    assert suppress_points([0.0, near], [0.3, 0.8], "hard") == ([1], [0.8])
    assert suppress_points([0.0, far], [0.3, 0.8], "hard") == ([0, 1], [0.3, 0.8])
    assert suppress_points([0.0, near], [0.3, 0.8], "none") == ([0, 1], [0.3, 0.8])


def test_what_was_dropped_drops_nobody() -> None:
    near = shifts_of(0.92)  # twice as far is a similarity of 0.72
    assert suppress_points([0.0, near, 2 * near], [0.9, 0.8, 0.7], "hard") == ([0, 2], [0.9, 0.7])
    assert suppress_points([0.0, near, 2 * near], [0.8, 0.9, 0.7], "hard") == ([1], [0.9])


def test_of_equal_ones_the_first_stays() -> None:
    assert suppress_points([5.0, 5.0, 5.0], [0.5, 0.5, 0.5], "hard") == ([0], [0.5])


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_other_images_do_not_matter(mode: str) -> None:
    images = [3, 1, 3, 1, 2]
    kept, scores = suppress_points([0.0, 0.0, 0.0, 0.0, 0.0], [0.1, 0.5, 0.2, 0.4, 0.3], mode, images=images)
    alone = {image: [i for i, of in enumerate(images) if of == image] for image in (1, 2, 3)}
    expected: dict[int, float] = {}
    for rows in alone.values():
        there, values = suppress_points([0.0] * len(rows), [[0.1, 0.5, 0.2, 0.4, 0.3][i] for i in rows], mode)
        expected |= {rows[i]: value for i, value in zip(there, values, strict=True)}
    assert dict(zip(kept, scores, strict=True)) == expected
    assert kept == sorted(kept)


def test_soft_suppression_equals_the_closed_form() -> None:
    near, far = shifts_of(0.9), shifts_of(0.4)
    between = 0.9 ** ((far - near) ** 2 / near**2)  # on a line, log similarity goes with the distance's square
    kept, scores = suppress_points([0.0, near, far], [0.9, 0.8, 0.5], "soft", 0.5)
    # the second falls below the third, which is therefore taken before it and lowers it once more
    second, third = 0.8 * np.exp(-(0.9**2) / 0.5), 0.5 * np.exp(-(0.4**2) / 0.5)
    assert third > second
    assert kept == [0, 1, 2]
    assert scores == pytest.approx([0.9, second * np.exp(-(between**2) / 0.5), third], rel=1e-12)


def test_a_twin_keeps_a_known_share_and_a_stranger_all() -> None:
    _, scores = suppress_points([0.0, 0.0, 1e4], [0.6, 0.6, 0.2], "soft", 0.7)
    assert scores == pytest.approx([0.6, 0.6 * np.exp(-1 / 0.7), 0.2], rel=1e-12)


def test_twins_lose_all_under_a_narrow_rule() -> None:
    assert suppress_points([0.0, 0.0, 0.0], [0.6, 0.5, 0.4], "soft", 1e-3)[1] == [0.6, 0.0, 0.0]  # exp(-1000) is 0


def by_definition(
    images: IntArray,
    keypoints: FloatArray,
    scores: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    threshold: float,
) -> dict[str, tuple[list[int], list[float]]]:
    """Both modes, one pair of detections at a time."""

    def similarity(i: int, j: int) -> float:
        of_j = keypoints[j][None], np.ones((1, len(sigmas)), dtype=bool), np.array([(areas[i] + areas[j]) / 2])
        return float(oks(keypoints[i][None], *of_j, np.zeros((1, 4)), sigmas)[0, 0])

    kept: list[int] = []
    values = scores.tolist()
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(images[i] != images[j] or similarity(i, j) <= threshold for j in kept):
            kept.append(i)
    waiting = set(range(len(scores)))
    while waiting:
        best = max(waiting, key=lambda i: values[i])
        waiting.remove(best)
        for i in waiting:
            if images[i] == images[best]:
                values[i] *= np.exp(-(similarity(best, i) ** 2) / threshold)
    return {"hard": (sorted(kept), scores[sorted(kept)].tolist()), "soft": (list(range(len(scores))), values)}


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_crowds_equal_the_definition(mode: Any) -> None:
    rng = np.random.default_rng(2)
    D, K = 60, 5
    images = rng.integers(0, 6, D)
    keypoints = rng.uniform(0, 30, (3, K, 2))[rng.integers(0, 3, D)] + rng.normal(0, 4, (D, K, 2))
    scores, areas, sigmas = rng.random(D), rng.uniform(200, 900, D), rng.uniform(0.05, 0.15, K)
    kept, values = suppress(images, keypoints, scores, areas, sigmas, mode, 0.5)
    expected = by_definition(images, keypoints, scores, areas, sigmas, 0.5)[mode]
    assert 10 < len(by_definition(images, keypoints, scores, areas, sigmas, 0.5)["hard"][0]) < 50
    assert kept.tolist() == expected[0]
    assert values.tolist() == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize("mode", ["none", "hard", "soft"])
def test_nobody_stays_nobody(mode: Any) -> None:
    assert suppress_points([], [], mode) == ([], [])
