"""Joint angles of everyday activities, drawn with noise and kept within anatomical limits.

An angle triple is (flexion, inward rotation, abduction) in degrees for arms and legs, (forward flexion, turn to the
left, bend to the left) for pelvis, spine and head. The feet's flexion is dorsiflexion, the clavicle's abduction is a
shrug.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.body import SEGMENTS

Array = npt.NDArray[np.float64]
Triple = tuple[float, float, float]


class _Joint(NamedTuple):
    signs: Triple
    lowest: Triple
    highest: Triple


# Signs turn an anatomical triple into right-handed rotations about x, y, z of the left side. The ranges are those of
# textbook goniometry (e.g. Norkin & White, "Measurement of Joint Motion"), rounded.
_JOINTS = {
    "pelvis": _Joint((1, 1, -1), (-25, -30, -15), (60, 30, 15)),
    "lumbar": _Joint((1, 1, -1), (-20, -15, -20), (45, 15, 20)),
    "thorax": _Joint((1, 1, -1), (-15, -35, -20), (35, 35, 20)),
    "neck": _Joint((1, 1, -1), (-25, -40, -20), (25, 40, 20)),
    "head": _Joint((1, 1, -1), (-30, -40, -20), (25, 40, 20)),
    "clavicle": _Joint((0, 0, 1), (0, 0, -8), (0, 0, 35)),
    "upper_arm": _Joint((-1, -1, 1), (-50, -80, 4), (175, 90, 170)),
    "forearm": _Joint((-1, -1, 0), (0, -80, 0), (145, 80, 0)),
    "hand": _Joint((-1, -1, 1), (-60, 0, -20), (70, 0, 30)),
    "thigh": _Joint((-1, -1, 1), (-25, -35, -15), (125, 35, 45)),
    "shank": _Joint((1, -1, 0), (0, -15, 0), (145, 15, 0)),
    "foot": _Joint((-1, -1, 1), (-50, -20, -15), (30, 20, 15)),
}


class Pose(NamedTuple):
    """What a person does, as rotations."""

    activity: str
    rotations: Array
    """``(S, 3, 3)``, each segment's rotation in its parent's frame."""
    flat_feet: tuple[bool, bool]
    """Whether the left and the right foot rest level on the ground."""


class _Angles:
    """Angle triples ``(S, 3)``, degrees, filled by an activity."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.values = np.zeros((len(SEGMENTS), 3))
        self.flat_feet = [True, True]

    def set(self, name: str, flexion: float = 0.0, rotation: float = 0.0, abduction: float = 0.0) -> None:
        self.values[SEGMENTS.index(name)] = (flexion, rotation, abduction)

    def normal(self, mean: float, spread: float) -> float:
        return float(self.rng.normal(mean, spread))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def trunk(self, pitch: float, flexion: float, spread: float = 5.0) -> None:
        """Pelvis leant forward by ``pitch``, the spine by ``flexion`` more, the head looking about."""
        self.set("pelvis", pitch, 0.0, self.normal(0, 3))
        self.set("lumbar", flexion / 2, self.normal(0, spread), self.normal(0, spread))
        self.set("thorax", flexion / 2, self.normal(0, 2 * spread), self.normal(0, spread))
        self.set("neck", self.normal(5, 6) - 0.3 * (pitch + flexion), self.normal(0, 14), self.normal(0, 4))
        self.set("head", self.normal(0, 8) - 0.2 * (pitch + flexion), self.normal(0, 14), self.normal(0, 4))

    def leg(self, side: str, thigh: float, shank: float, rotation: float = -8.0, abduction: float = 4.0) -> None:
        """A leg by its segments' angles: ``thigh`` forward of the vertical, ``shank`` leant forward at the knee."""
        pitch = self.values[SEGMENTS.index("pelvis"), 0]
        self.set(f"{side}_thigh", thigh + pitch, rotation, abduction)
        self.set(f"{side}_shank", max(thigh + shank, 2.0), 0.0, 0.0)
        self.set(f"{side}_foot", self.normal(0, 6), 0.0, 0.0)

    def arm(self, side: str, flexion: float, rotation: float, abduction: float, elbow: float) -> None:
        """An arm; the shoulder blade follows what is raised."""
        raised = max(abs(flexion), abduction)
        self.set(f"{side}_clavicle", 0.0, 0.0, max(0.0, 0.22 * (raised - 40)) + self.normal(0, 2))
        self.set(f"{side}_upper_arm", flexion, rotation, abduction)
        self.set(f"{side}_forearm", elbow, self.uniform(-20, 60), 0.0)
        self.set(f"{side}_hand", self.normal(0, 12), 0.0, self.normal(0, 6))


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw an activity and its joint angles."""
    names = tuple(ACTIVITIES)
    activity = names[int(rng.choice(len(names), p=_SHARES))]
    angles = _Angles(rng)
    ACTIVITIES[activity](angles)
    values = angles.values + rng.normal(0.0, 2.0, angles.values.shape)
    values = np.clip(values, _LOWEST, _HIGHEST)
    return Pose(activity, posed(values), (angles.flat_feet[0], angles.flat_feet[1]))


def posed(triples: Array) -> Array:
    """Rotations ``(S, 3, 3)``, as `body.place` takes them, of the segments' angle triples ``(S, 3)``, degrees."""
    return rotation_matrices(np.deg2rad(triples * _SIGNS))


def rotation_matrices(angles: Array) -> Array:
    """Rotations ``(N, 3, 3)`` = Rx · Rz · Ry of angles ``(N, 3)`` about x, y and z, radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    rows = (
        (cz * cy, -sz, cz * sy),
        (cx * sz * cy + sx * sy, cx * cz, cx * sz * sy - sx * cy),
        (sx * sz * cy - cx * sy, sx * cz, sx * sz * sy + cx * cy),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _table(field: str) -> Array:
    rows = []
    for name in SEGMENTS:
        row = np.array(getattr(_JOINTS[name.removeprefix("left_").removeprefix("right_")], field), dtype=np.float64)
        mirror = (1, -1, -1) if field == "signs" and name.startswith("right_") else (1, 1, 1)
        rows.append(row * mirror)
    return np.stack(rows)


_SIGNS, _LOWEST, _HIGHEST = _table("signs"), _table("lowest"), _table("highest")


def _idle_arm(angles: _Angles, side: str) -> None:
    """An arm that has nothing to do with the activity: hanging, on the hip, folded, at the face, or raised."""
    style = int(angles.rng.choice(6, p=(0.38, 0.12, 0.14, 0.10, 0.14, 0.12)))
    normal, uniform = angles.normal, angles.uniform
    if style == 0:
        angles.arm(side, normal(3, 9), normal(0, 15), uniform(5, 18), abs(normal(14, 12)))
    elif style == 1:
        angles.arm(side, normal(-12, 6), normal(65, 8), uniform(30, 45), normal(90, 8))
    elif style == 2:
        angles.arm(side, normal(28, 8), normal(50, 10), uniform(5, 16), normal(92, 12))
    elif style == 3:
        angles.arm(side, normal(45, 15), normal(25, 15), uniform(8, 25), normal(130, 8))
    elif style == 4:
        angles.arm(side, normal(60, 30), normal(0, 25), uniform(5, 40), uniform(5, 80))
    else:
        angles.arm(side, normal(10, 15), normal(-40, 25), uniform(50, 150), uniform(5, 100))


def _stand(angles: _Angles) -> None:
    angles.trunk(angles.normal(0, 3), angles.normal(3, 6))
    for side in ("left", "right"):
        angles.leg(side, angles.normal(2, 5), angles.normal(2, 3), -angles.uniform(0, 20), angles.uniform(0, 13))
        _idle_arm(angles, side)


def _walk(angles: _Angles) -> None:
    """Legs half a cycle apart; arms swing against them. Fast cycles are a run."""
    effort = angles.uniform(0.7, 2.0)
    angles.trunk(angles.normal(2, 2) + 4 * effort, angles.normal(2, 4))
    phase = angles.uniform(0, 2 * np.pi)
    for index, side in enumerate(("left", "right")):
        swing, forward = np.sin(phase + index * np.pi), np.cos(phase + index * np.pi)
        thigh = 4 + 22 * effort * swing + angles.normal(0, 3)
        knee = 6 + 42 * effort * max(0.0, forward) + angles.normal(0, 4)
        angles.leg(side, thigh, max(knee - thigh, 2 - thigh), -5.0, angles.normal(2, 2))
        angles.flat_feet[index] = bool(forward < -0.3)
        elbow = angles.normal(25, 10) + (50 * (effort - 1.2) if effort > 1.2 else 0)
        angles.arm(
            side, -24 * effort * swing + angles.normal(4, 5), angles.normal(10, 10), angles.uniform(4, 15), elbow
        )


def _squat(angles: _Angles) -> None:
    depth = angles.uniform(0.35, 1.0)
    angles.trunk(10 + 30 * depth + angles.normal(0, 6), angles.normal(10, 8))
    for side in ("left", "right"):
        spread = angles.uniform(5, 30)
        angles.leg(side, 100 * depth + angles.normal(0, 5), 28 * depth + angles.normal(0, 4), -spread, spread * 0.8)
    if angles.rng.random() < 0.55:
        flexion, elbow = angles.uniform(50, 120), angles.uniform(0, 70)
        for side in ("left", "right"):
            angles.arm(side, flexion + angles.normal(0, 6), angles.normal(15, 15), angles.uniform(5, 25), elbow)
    else:
        _idle_arm(angles, "left")
        _idle_arm(angles, "right")


def _lunge(angles: _Angles) -> None:
    angles.trunk(angles.normal(6, 6), angles.normal(3, 6))
    front = int(angles.rng.integers(2))
    for index, side in enumerate(("left", "right")):
        if index == front:
            angles.leg(side, angles.uniform(45, 85), angles.normal(6, 8))
        else:
            angles.leg(side, -angles.uniform(5, 25), angles.uniform(50, 85))
            angles.flat_feet[index] = False
            angles.set(f"{side}_foot", 20.0)
        _idle_arm(angles, side)


def _reach(angles: _Angles) -> None:
    """One or both hands go up, forward, aside or down; the trunk follows."""
    goal = int(angles.rng.integers(4))
    lean = (angles.normal(-4, 4), angles.normal(14, 8), angles.normal(2, 4), angles.uniform(30, 60))[goal]
    angles.trunk(lean, angles.uniform(0.2, 0.9) * max(lean, 0.0), 8.0)
    bend = angles.uniform(0, 30) if goal == 3 else abs(angles.normal(5, 5))
    for side in ("left", "right"):
        angles.leg(side, bend + angles.normal(0, 8), 0.5 * bend + angles.normal(0, 3), -8.0, angles.uniform(0, 16))
    reaching = {"left", "right"} if angles.rng.random() < 0.5 else {("left", "right")[int(angles.rng.integers(2))]}
    for side in ("left", "right"):
        if side not in reaching:
            _idle_arm(angles, side)
            continue
        flexion, abduction = (
            (angles.uniform(130, 172), angles.uniform(5, 30)),
            (angles.uniform(65, 115), angles.uniform(5, 25)),
            (angles.normal(15, 15), angles.uniform(70, 115)),
            (angles.uniform(35, 95), angles.uniform(5, 25)),
        )[goal]
        angles.arm(side, flexion, angles.normal(0, 15), abduction, abs(angles.normal(12, 14)))


def _sit(angles: _Angles) -> None:
    angles.trunk(angles.normal(2, 10), angles.normal(10, 12))
    for side in ("left", "right"):
        angles.leg(side, angles.normal(86, 6), angles.normal(-4, 14), -angles.uniform(-5, 15), angles.uniform(0, 20))
        if angles.rng.random() < 0.5:
            angles.arm(
                side, angles.normal(32, 8), angles.normal(10, 12), angles.uniform(4, 16), angles.normal(55, 14)
            )
        else:
            _idle_arm(angles, side)


def _balance(angles: _Angles) -> None:
    """On one leg; the other is lifted forward, aside or back."""
    angles.trunk(angles.normal(3, 6), angles.normal(3, 6), 7.0)
    standing = int(angles.rng.integers(2))
    way = int(angles.rng.integers(3))
    for index, side in enumerate(("left", "right")):
        if index == standing:
            angles.leg(side, angles.normal(5, 5), angles.normal(5, 4), -6.0, angles.normal(-2, 3))
        else:
            thigh = (angles.uniform(35, 100), angles.normal(10, 8), -angles.uniform(5, 22))[way]
            knee = (angles.uniform(20, 110), angles.uniform(5, 60), angles.uniform(20, 110))[way]
            abduction = (angles.normal(4, 4), angles.uniform(20, 42), angles.normal(3, 3))[way]
            angles.leg(side, thigh, knee - thigh, -10.0, abduction)
            angles.flat_feet[index] = False
        if angles.rng.random() < 0.6:
            angles.arm(
                side, angles.normal(10, 20), angles.normal(-10, 20), angles.uniform(40, 105), angles.uniform(0, 50)
            )
        else:
            _idle_arm(angles, side)


ACTIVITIES: dict[str, Callable[[_Angles], None]] = {
    "stand": _stand,
    "walk": _walk,
    "squat": _squat,
    "lunge": _lunge,
    "reach": _reach,
    "sit": _sit,
    "balance": _balance,
}
"""What people do, by name."""
_SHARES = (0.24, 0.22, 0.12, 0.08, 0.14, 0.11, 0.09)
