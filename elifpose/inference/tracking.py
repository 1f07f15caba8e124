"""Who is who from frame to frame."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from elifpose.inference.boxes import box_around, enlarged, nested, overlaps
from elifpose.inference.recording import BoolArray, FloatArray
from elifpose.utils.errors import ElifPoseError

_SETTLING_S = 0.25  # over which velocity is averaged
_MIN_OVERLAP = 0.1
_FALL_OFF = 0.1  # of the box's size: a keypoint's distance that counts e^-1/2


@dataclass
class _Person:
    """What is remembered of a person: a frame's worth."""

    box: FloatArray
    keypoints: FloatArray
    seen_s: float
    velocity: FloatArray
    """``(2,)``, of the box's middle, pixels per second."""
    seen: int = 1

    def moved_to(self, time_s: float) -> tuple[FloatArray, FloatArray]:
        """Box and keypoints at a time, at constant velocity."""
        shift = self.velocity * (time_s - self.seen_s)
        return self.box + np.append(shift, (0.0, 0.0)), self.keypoints + np.append(shift, 0.0)

    def update(self, time_s: float, box: FloatArray, keypoints: FloatArray) -> None:
        """Take what was seen at a later time."""
        elapsed = time_s - self.seen_s
        middle = box[:2] + box[2:] / 2.0 - self.box[:2] - self.box[2:] / 2.0
        share = max(1.0 - math.exp(-elapsed / _SETTLING_S), 1.0 / self.seen)
        self.velocity = self.velocity + share * (middle / elapsed - self.velocity)
        self.box, self.keypoints, self.seen_s = box, keypoints, time_s
        self.seen += 1


@final
class Tracker:
    """Gives people numbers and finds them again.

    Each person is expected where constant velocity leads. Expected and found boxes go together by their overlap
    and, where several would fit, by their keypoints as well; the best pair first, boxes that lie in others last.
    Boxes count as the larger the longer a person was hidden. One who was hidden or away for longer than
    ``max_lost_s`` is new when he is seen again. A box that lies in another one starts no person: detectors often box
    half a body as well.

    Args:
        max_lost_s: For how long a person may be hidden.

    Raises:
        ElifPoseError: If ``max_lost_s`` is negative or not finite.
    """

    def __init__(self, max_lost_s: float = 1.0) -> None:
        if not 0.0 <= max_lost_s < math.inf:
            raise ElifPoseError(f"max_lost_s is {max_lost_s:g}; give seconds, 0 or more")
        self.max_lost_s = max_lost_s
        self._people: dict[int, _Person] = {}
        self._next = 0
        self._time_s = -math.inf

    def update(self, time_s: float, boxes: FloatArray, keypoints: FloatArray) -> list[int]:
        """Number the people of a frame.

        Args:
            time_s: When it was taken, later than the one before.
            boxes: ``(N, 4)``, left, top, width, height, image pixels.
            keypoints: ``(N, K, 3)``, image pixels and score; NaN where not known.

        Returns:
            ``N`` numbers, from 0 by first appearance; -1 for boxes that are nobody's.
        """
        self._forget(time_s)
        inside = nested(boxes)
        numbers = self._matches(time_s, boxes, keypoints, inside)
        for row in range(len(boxes)):
            if row in numbers:
                self._people[numbers[row]].update(time_s, boxes[row], keypoints[row])
            elif not inside[row]:
                numbers[row] = self._next
                self._people[self._next] = _Person(boxes[row], keypoints[row], time_s, np.zeros(2))
                self._next += 1
        self._time_s = time_s
        return [numbers.get(row, -1) for row in range(len(boxes))]

    def expected(self, time_s: float, min_score: float = 0.3) -> FloatArray:
        """Boxes ``(N, 4)`` at a time of those who were seen in the last frame, around their last keypoints."""
        boxes = []
        for person in self._people.values():
            if person.seen_s == self._time_s:
                box, keypoints = person.moved_to(time_s)
                around = box_around(keypoints, min_score)
                boxes.append(box if around is None else around)
        return np.array(boxes).reshape(-1, 4)

    def _forget(self, time_s: float) -> None:
        """Drop those who are hidden for too long; those of the frame before always stay."""
        self._people = {
            number: person
            for number, person in self._people.items()
            if time_s - person.seen_s <= self.max_lost_s or person.seen_s == self._time_s
        }

    def _matches(self, time_s: float, boxes: FloatArray, keypoints: FloatArray, inside: BoolArray) -> dict[int, int]:
        """Number by row, for the rows that are known people."""
        numbers = list(self._people)
        if not numbers or not len(boxes):
            return {}
        hidden_s = np.array([time_s - self._people[number].seen_s for number in numbers])
        moved = [self._people[number].moved_to(time_s) for number in numbers]
        expected_boxes, expected_keypoints = (np.stack(parts) for parts in zip(*moved, strict=True))
        overlap = np.array(
            [
                overlaps(enlarged(box[None], 1.0 + hidden), enlarged(boxes, 1.0 + hidden))[0]
                for box, hidden in zip(expected_boxes, hidden_s, strict=True)
            ]
        )
        possible = overlap >= _MIN_OVERLAP
        ambiguous = possible & ((possible.sum(axis=0) > 1) | (possible.sum(axis=1, keepdims=True) > 1))
        likeness = overlap
        if ambiguous.any():
            similar = keypoint_similarity(expected_keypoints, keypoints, expected_boxes)
            likeness = np.where(ambiguous, (overlap + similar) / 2.0, overlap)
        matches: dict[int, int] = {}
        taken = ~possible
        while not taken.all():
            person, row = np.unravel_index(np.where(taken, -2.0, likeness - inside).argmax(), taken.shape)
            matches[int(row)] = numbers[int(person)]
            taken[person, :] = taken[:, row] = True
        return matches


def keypoint_similarity(expected: FloatArray, found: FloatArray, boxes: FloatArray) -> FloatArray:
    """How alike postures are, 0 to 1: the mean over keypoints of exp(−d² / 2s²), s a tenth of the box's size.

    Args:
        expected: ``(P, K, 3)``, image pixels and score.
        found: ``(N, K, 3)``; points that are NaN in either count nothing.
        boxes: ``(P, 4)``, of those expected; a box's size is the root of its area.

    Returns:
        ``(P, N)``; 0 where no point is known in both.
    """
    squares = np.square(expected[:, None, :, :2] - found[None, :, :, :2]).sum(axis=-1)
    allowed = _FALL_OFF**2 * boxes[:, 2:].prod(axis=1)[:, None, None]
    alike = np.exp(-squares / (2.0 * np.maximum(allowed, 1e-9)))
    return np.asarray(np.nan_to_num(alike).sum(axis=-1) / np.maximum(np.isfinite(alike).sum(axis=-1), 1))
