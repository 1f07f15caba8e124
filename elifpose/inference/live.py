"""Joint angles while the camera runs."""

from collections import deque
from typing import NamedTuple, final

import numpy as np

from elifpose.biomechanics import JointAngles, OneEuroFilter, facing_direction, gate_keypoints, joint_angles
from elifpose.biomechanics.points import SIDES, Side
from elifpose.inference.recording import FloatArray
from elifpose.utils.errors import ElifPoseError

_LOOK_BACK_S = 1.0  # over which it is told which way a person faces


class _Person(NamedTuple):
    """What is remembered of a person."""

    past: deque[tuple[float, FloatArray]]
    """Time and keypoints of the last second."""
    smooth: OneEuroFilter


@final
class LiveAngles:
    """Angles of people from frame to frame, smoothed by a One-Euro filter, which needs no later frame.

    Args:
        min_score: Keypoints below are not seen.

    Attributes:
        line: The latest angles, degrees, for people to read; empty before the first.
    """

    def __init__(self, min_score: float = 0.3) -> None:
        self._min_score = min_score
        self._people: dict[int, _Person] = {}
        self.line = ""

    def __call__(self, person: int, time_s: float, keypoints: FloatArray) -> dict[Side, JointAngles]:
        """Take a person's keypoints of a frame.

        Args:
            person: The person's number.
            time_s: Seconds, later than of the frame before.
            keypoints: ``(26, 3)``, image pixels and score.

        Returns:
            By side, angles of this frame, ``(1,)``; NaN where not known, or where it cannot be told which way the
            person faces.
        """
        past, smooth = self._people.setdefault(person, _Person(deque(), OneEuroFilter()))
        past.append((time_s, gate_keypoints(keypoints[None], self._min_score)))
        while past[0][0] < time_s - _LOOK_BACK_S:
            past.popleft()
        try:
            facing = facing_direction(np.concatenate([points for _, points in past]))
            raw = np.array([joint_angles(past[-1][1], side, facing) for side in SIDES])
        except ElifPoseError:
            raw = np.full((len(SIDES), len(JointAngles._fields), 1), np.nan)
        angles = {side: JointAngles(*values) for side, values in zip(SIDES, smooth(raw, time_s), strict=True)}
        legs = (f"{side} {' '.join(_degrees(angle) for angle in leg)}" for side, leg in angles.items())
        self.line = f"person {person}: {', '.join(legs)} (hip knee ankle)"
        return angles


def _degrees(angle: FloatArray) -> str:
    return f"{angle[0]:z.0f}°" if np.isfinite(angle[0]) else "–"
