"""Which detection finds which annotated person: COCO's greedy matching, over all images at once."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.evaluation.oks import paired_oks
from elifpose.evaluation.people import BoolArray, DetectedPeople, FloatArray, IntArray, TruePeople

OKS_THRESHOLDS: FloatArray = np.linspace(0.5, 0.95, 10)
AREAS = {"all": (0.0, 1e10), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
"""COCO's ranges of persons' areas, image pixels squared, both ends included."""
MOST_DETECTIONS = 20
"""In an image; those with the highest scores count."""

_NEARLY_1 = 1 - 1e-10  # a threshold of 1 would be missed by rounding
_PAIRS_AT_ONCE = 8192  # bounds the memory, and keeps a chunk's keypoints in the processor's cache


class Matches(NamedTuple):
    """How ``M`` detections fared in ``A`` ranges of area at ``T`` thresholds."""

    detections: IntArray
    """``(M,)``, positions in `DetectedPeople`, in the order in which COCO accumulates: decreasing score."""
    images: IntArray
    """``(M,)``, the image of each."""
    scores: FloatArray
    """``(M,)``, decreasing."""
    persons: npt.NDArray[np.int32]
    """``(A, T, M)``, position in `TruePeople` of the person found, −1 for none."""
    ignored: BoolArray
    """``(A, T, M)``, neither right nor wrong."""
    num_people: IntArray
    """``(A, I)``, how many people of each image count."""
    similarities: FloatArray
    """``(M,)``, highest OKS with any person of the image that is not ignored; 0 without any."""


class _Pairs(NamedTuple):
    """``P`` detections and people of one image each, that are similar enough to match."""

    detections: IntArray
    """``(P,)``, positions among the detections that count, ascending."""
    persons: IntArray
    """``(P,)``, positions in `TruePeople`."""
    similarities: FloatArray
    """``(P,)``."""


def match(truth: TruePeople, detected: DetectedPeople, sigmas: FloatArray) -> Matches:
    """Match as pycocotools does, to the same result.

    In each image the detections choose in the order of their scores: the most similar person who is still free and
    counts, of equal ones the last; if nobody who counts is similar enough, the most similar who is ignored. Crowds
    are always free. People outside the range of areas are ignored, and so are detections outside it that find nobody.

    Args:
        truth: Who is there.
        detected: Who was found.
        sigmas: ``(K,)`` OKS constants.
    """
    rows, ranks = _by_image_and_rank(detected)
    pairs, similarities = _similar_pairs(truth, detected, rows, sigmas)
    ignored_people = truth.ignored | _outside(truth.areas)
    persons = _assign(pairs, ranks, truth.crowd, ignored_people)

    order = np.argsort(-detected.scores[rows], kind="stable")
    persons, rows = persons[:, :, order], rows[order]
    of_found = np.stack([flags[found] for flags, found in zip(_padded(ignored_people), persons, strict=True)])
    ignored = np.where(persons >= 0, of_found, _outside(detected.areas[rows])[:, None])
    counts = [np.bincount(truth.images[~flags], minlength=len(truth.image_ids)) for flags in ignored_people]
    return Matches(
        detections=rows,
        images=detected.images[rows],
        scores=detected.scores[rows],
        persons=persons,
        ignored=ignored,
        num_people=np.stack(counts),
        similarities=similarities[order],
    )


def _padded(flags: BoolArray) -> BoolArray:
    """With a column that the position −1 reads."""
    return np.pad(flags, ((0, 0), (0, 1)))


def _outside(areas: FloatArray) -> BoolArray:
    """``(A, N)``, whether areas ``(N,)`` are outside each range of `AREAS`."""
    return np.stack([(areas < low) | (areas > high) for low, high in AREAS.values()])


def _by_image_and_rank(detected: DetectedPeople) -> tuple[IntArray, IntArray]:
    """Detections that count, by image and decreasing score, and the rank of each in its image from 0."""
    rows = np.argsort(-detected.scores, kind="stable")
    rows = rows[np.argsort(detected.images[rows], kind="stable")]
    images = detected.images[rows]
    ranks = np.arange(len(rows)) - np.searchsorted(images, images)
    counts = ranks < MOST_DETECTIONS
    return rows[counts], ranks[counts]


def _similar_pairs(
    truth: TruePeople, detected: DetectedPeople, rows: IntArray, sigmas: FloatArray
) -> tuple[_Pairs, FloatArray]:
    """Pairs of the detections ``rows``, and each one's highest OKS with a person who is not ignored."""
    first = np.searchsorted(truth.images, np.arange(len(truth.image_ids) + 1))
    images = detected.images[rows]
    counts = np.diff(first)[images]
    highest = np.zeros(len(rows))
    found = []
    for start, stop in _chunks(counts):
        repeats = counts[start:stop]
        detections = np.repeat(np.arange(start, stop), repeats)
        places = np.arange(len(detections)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        persons = first[images[detections]] + places
        similarities = paired_oks(
            detected.keypoints[rows[detections]],
            truth.keypoints[persons],
            truth.labelled[persons],
            truth.areas[persons],
            truth.boxes[persons],
            sigmas,
        )
        regular = ~truth.ignored[persons]
        np.maximum.at(highest, detections[regular], similarities[regular])
        near = similarities >= OKS_THRESHOLDS[0]
        found.append(_Pairs(detections[near], persons[near], similarities[near]))
    detections, persons, similarities = (np.concatenate(column) for column in zip(*found, strict=True))
    return _Pairs(detections, persons, similarities), highest


def _chunks(counts: IntArray) -> Iterator[tuple[int, int]]:
    """First and last + 1 of detections that have about `_PAIRS_AT_ONCE` pairs together; ``(M,)`` counts of each."""
    last = np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE)) + 1
    return pairwise([0, *last.tolist(), len(counts)])


def _assign(pairs: _Pairs, ranks: IntArray, crowd: BoolArray, ignored: BoolArray) -> npt.NDArray[np.int32]:
    """Let detections choose, those of one rank of all images at a time.

    Args:
        pairs: Who could find whom.
        ranks: ``(M,)``, of the detections.
        crowd: ``(G,)``.
        ignored: ``(A, G)``, in each range of areas.

    Returns:
        ``(A, T, M)``, the person found, −1 for none.
    """
    order = np.lexsort((pairs.persons, pairs.similarities, pairs.detections))
    detections, persons, similarities = (column[order] for column in pairs)
    reached = similarities >= np.minimum(OKS_THRESHOLDS, _NEARLY_1)[:, None]
    P = len(persons)
    # A detection chooses the highest: positions say who is more similar, and whoever counts is above all others.
    preferences = np.arange(P) + P * ~ignored[:, persons]
    found = np.full((len(ignored), len(reached), len(ranks)), -1, dtype=np.int32)
    taken = np.zeros((*found.shape[:2], len(crowd)), dtype=np.bool_)
    for rank in range(MOST_DETECTIONS):
        here = np.flatnonzero(ranks[detections] == rank)
        if not len(here):
            continue
        free = ~taken[:, :, persons[here]] | crowd[persons[here]]
        choices = np.where(free & reached[:, here], preferences[:, None, here], -1)
        choosing, starts = np.unique(detections[here], return_index=True)
        chosen = np.maximum.reduceat(choices, starts, axis=-1)
        area, threshold, position = np.nonzero(chosen >= 0)
        person = persons[chosen[area, threshold, position] % P]
        found[area, threshold, choosing[position]] = person
        taken[area, threshold, person] = True
    return found
