"""Joint angles of one person who walks, squats or stands on one leg, over time.

All bending is in the sagittal plane. The curves of walking are a few harmonics each, after the shape that gait
laboratories report (e.g. Winter, "Biomechanics and Motor Control of Human Movement", 2009): typical, nobody's own.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.body import SEGMENTS
from elifpose.datasets.synthetic.poses import posed

Array = npt.NDArray[np.float64]

SIDES = ("left", "right")

_STRIDE_S, _SQUAT_S, _BALANCE_S = 1.1, 3.0, 4.0

# Mean, then (cosine, sine) of each harmonic of the stride, degrees; the stride starts when the heel strikes.
_HIP = (13.8, (18.0, -3.2), (-3.1, -1.5))
_KNEE = (21.6, (-3.3, -18.3), (-12.7, 7.7), (0.6, 3.7))
_ANKLE = (0.0, (-0.3, 5.7), (0.4, -6.6), (-2.4, 1.1), (1.4, -0.7))


class Leg(NamedTuple):
    """Angles of one leg, ``(T,)`` each, degrees; 0 in upright standing."""

    hip: Array
    """Flexion of the thigh against the trunk."""
    knee: Array
    """Flexion."""
    ankle: Array
    """Dorsiflexion."""


class JointCurves(NamedTuple):
    """How somebody moves over ``T`` moments; the spine stays straight."""

    trunk: Array
    """``(T,)``, degrees that the trunk leans forward."""
    legs: dict[str, Leg]
    """By side."""
    arms: dict[str, tuple[Array, Array]]
    """By side: flexion of shoulder and elbow, ``(T,)`` each, degrees."""

    def rotations(self, moment: int) -> Array:
        """``(S, 3, 3)``, as `body.place` takes them."""
        triples = np.zeros((len(SEGMENTS), 3))

        def flex(segment: str, degrees: float, abduction: float = 0.0) -> None:
            triples[SEGMENTS.index(segment)] = (degrees, 0.0, abduction)

        flex("pelvis", self.trunk[moment])
        flex("neck", -0.5 * self.trunk[moment])
        for side in SIDES:
            for segment, angles in zip(("thigh", "shank", "foot"), self.legs[side], strict=True):
                flex(f"{side}_{segment}", angles[moment])
            shoulder, elbow = self.arms[side]
            flex(f"{side}_upper_arm", shoulder[moment], abduction=8.0)
            flex(f"{side}_forearm", elbow[moment])
        return posed(triples)


def walk(times_s: Array) -> JointCurves:
    """Walking in place, as on a treadmill: 1.1 s a stride, the right heel strikes at 0 s."""
    cycle = {"right": times_s / _STRIDE_S, "left": times_s / _STRIDE_S + 0.5}
    legs = {side: Leg(*(_series(cycle[side], *joint) for joint in (_HIP, _KNEE, _ANKLE))) for side in SIDES}
    swing = {side: np.cos(2 * np.pi * cycle[side]) for side in SIDES}
    arms = {side: (3.0 - 20.0 * swing[side], 25.0 - 8.0 * swing[side]) for side in SIDES}
    return JointCurves(4.0 + np.cos(4 * np.pi * cycle["left"]), legs, arms)


def squat(times_s: Array) -> JointCurves:
    """Down and up in 3 s, arms forward, feet flat: the knees reach 105 degrees."""
    depth = _bump(times_s / _SQUAT_S)
    trunk = 35.0 * depth
    leg = _flat_footed(thigh=2.0 + 78.0 * depth, shank=2.0 + 23.0 * depth, trunk=trunk)
    arm = (5.0 + 80.0 * depth, 10.0 + 0.0 * depth)
    return JointCurves(trunk, dict.fromkeys(SIDES, leg), dict.fromkeys(SIDES, arm))


def balance(times_s: Array) -> JointCurves:
    """Stands on the left leg, swaying; the right thigh is lifted forward and put down again every 4 s."""
    lift, sway = _bump(times_s / _BALANCE_S), np.sin(2 * np.pi * times_s / 1.7)
    trunk = 3.0 + 1.5 * sway
    lifted = Leg(5.0 + 70.0 * lift, 6.0 + 80.0 * lift, 2.0 - 12.0 * lift)
    standing = _flat_footed(thigh=4.0 + 1.5 * sway, shank=4.0 - sway, trunk=trunk)
    arms = {"left": (30.0 * lift, 12.0 + 8.0 * lift), "right": (10.0 + 5.0 * sway, 15.0 + 0.0 * lift)}
    return JointCurves(trunk, {"left": standing, "right": lifted}, arms)


MOTIONS: dict[str, Callable[[Array], JointCurves]] = {"walk": walk, "squat": squat, "balance": balance}
"""By name: joint angles at moments ``(T,)``, seconds."""


def _series(cycle: Array, mean: float, *harmonics: tuple[float, float]) -> Array:
    """A periodic curve at ``cycle``, in periods."""
    angles = 2 * np.pi * np.outer(np.arange(1, len(harmonics) + 1), cycle)
    cosines, sines = np.array(harmonics).T
    return np.asarray(mean + cosines @ np.cos(angles) + sines @ np.sin(angles))


def _bump(cycle: Array) -> Array:
    """From 0 to 1 and back in each period."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * cycle))


def _flat_footed(thigh: Array, shank: Array, trunk: Array) -> Leg:
    """A leg on a level foot: the knee lies ``thigh`` degrees before the hip and ``shank`` before the ankle."""
    return Leg(hip=thigh + trunk, knee=thigh + shank, ankle=shank)
