"""People whose left and right look exchanged: from the keypoints alone, with few false alarms.

A test speaks up only where no ordinary pose explains the keypoints. Lengths are in units of the person's own size:
the trunk's length, or what the longest bone that is seen tells of it, so that a foreshortened trunk does no harm.

- *Crossed*: two pairs lie on lines that are parallel in a body, or nearly so (shoulders and hips, ears and eyes), but
  point in opposite directions. Parallel lines in space stay parallel in any picture; how far a trunk or neck twists,
  and legs cross, decides the threshold.
- *Stretched*: a bone is longer than this body's can be, and both sides' are of ordinary length once left and right of
  one of its ends are exchanged.
- *Mirrored*: of a visible face, the left eye lies to the right of the nose as seen by the person.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.verification.masks import FloatArray, Mask, any_of
from elifpose.structures import Skeleton

_FULL_LENGTHS = {
    ("shoulder", "hip"): 1.0,
    ("shoulder", "elbow"): 0.6,
    ("elbow", "wrist"): 0.55,
    ("hip", "knee"): 0.85,
    ("knee", "ankle"): 0.85,
}
"""Bones that tell a person's size: their full length as a part of the trunk's, rounded up."""

_STRETCHABLE = {
    **{bone: length for bone, length in _FULL_LENGTHS.items() if bone != ("shoulder", "hip")},
    ("ankle", "heel"): 0.25,
    ("ankle", "big_toe"): 0.45,
}
_TOO_LONG, _ORDINARY, _SHORTER = 1.25, 1.1, 0.8

_CROSSABLE = {
    ("eye", "ear"): -0.004,  # both on the skull
    ("ear", "shoulder"): -0.1,  # a head turns by some 80 degrees
    ("shoulder", "hip"): -0.06,  # a trunk twists by some 50 degrees
    ("shoulder", "elbow"): -0.18,
    ("hip", "knee"): -0.13,
    ("knee", "ankle"): -0.15,
}
"""Pairs, with the scalar product of their two left-to-right lines, in squared trunk lengths, that no pose reaches."""
_LEGS, _KEPT = ("knee", "ankle"), 0.75
"""Exchanged ankles of somebody who stands or walks hardly change the shins' lengths; those of somebody who sits
cross-legged would."""

_MIRRORED, _FAR = -0.004, 0.3


class Suspicion(NamedTuple):
    """What one test says of ``N`` people."""

    reason: str
    judged: Mask
    """``(N,)``, of whom all keypoints that the test needs are labelled."""
    suspected: Mask
    """``(N,)``."""


def find_exchanged_sides(
    keypoints: FloatArray, visibility: npt.NDArray[np.uint8], skeleton: Skeleton
) -> list[Suspicion]:
    """Every test that the skeleton has keypoints for.

    Args:
        keypoints: ``(N, K, 2)``, image pixels.
        visibility: ``(N, K)``, 0 not labelled, 1 hidden, 2 visible.
        skeleton: Whose sides are told by names that begin with ``left_`` and ``right_``.
    """
    points = np.where(visibility[..., None] > 0, keypoints, np.nan)
    names = skeleton.keypoints
    parts = [name.removeprefix("left_") for name in names if name.startswith("left_")]
    sides = {
        part: points[:, [names.index(f"left_{part}"), names.index(f"right_{part}")]]
        for part in parts
        if f"right_{part}" in names
    }
    size = body_size(sides, len(points))
    found = [_crossed(sides, pair, size) for pair in _CROSSABLE if set(pair) <= set(sides)]
    found += [_stretched(sides, bone, size) for bone in _STRETCHABLE if set(bone) <= set(sides)]
    if "eye" in sides and "nose" in names:
        seen = visibility[:, [names.index(name) for name in ("left_eye", "right_eye", "nose")]] == 2
        found.append(_mirrored(sides["eye"], points[:, names.index("nose")], ~any_of(~seen), size))
    return found


def body_size(sides: dict[str, FloatArray], people: int) -> FloatArray:
    """``(N,)``: the trunk's length in image pixels, from the longest bone that is seen; NaN where none has a length.

    Args:
        sides: By part, ``(N, 2, 2)`` of left and right, x and y; NaN where not labelled.
        people: ``N``.
    """
    size = np.full(people, np.nan)
    for (near, far), length in _FULL_LENGTHS.items():
        if near in sides and far in sides:
            straight, across = bone_lengths(sides[near], sides[far])
            exchanged = across.sum(axis=1) < straight.sum(axis=1)
            bones = np.where(exchanged[:, None], across, straight)
            size = np.fmax(size, np.fmax(bones[:, 0], bones[:, 1]) / length)
    return np.where(size > 0, size, np.nan)  # nobody, where all keypoints lie at one place


def bone_lengths(near: FloatArray, far: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``(N, 2)`` lengths from the left and right near end to the far end of the same side, and of the other.

    Args:
        near: ``(N, 2, 2)``, left and right, x and y.
        far: The same of the bone's other end.
    """
    return np.linalg.norm(near - far, axis=-1), np.linalg.norm(near - far[:, ::-1], axis=-1)


def _crossed(sides: dict[str, FloatArray], pair: tuple[str, str], size: FloatArray) -> Suspicion:
    first, second = (sides[part] for part in pair)
    product = ((first[:, 0] - first[:, 1]) * (second[:, 0] - second[:, 1])).sum(axis=-1) / size**2
    straight, across = bone_lengths(first, second)
    kept = (across.sum(axis=1) > _KEPT * straight.sum(axis=1)) | (pair != _LEGS)
    suspected = (product < _CROSSABLE[pair]) & kept
    return Suspicion(f"{pair[0]}s and {pair[1]}s point in opposite directions", np.isfinite(product), suspected)


def _stretched(sides: dict[str, FloatArray], bone: tuple[str, str], size: FloatArray) -> Suspicion:
    straight, across = bone_lengths(sides[bone[0]], sides[bone[1]])
    full = _STRETCHABLE[bone] * size
    suspected = (
        (straight.max(axis=1) > _TOO_LONG * full)
        & (across.max(axis=1) <= _ORDINARY * full)
        & (across.sum(axis=1) < _SHORTER * straight.sum(axis=1))
    )
    near, far = (part.replace("_", " ") for part in bone)
    reason = f"from {near} to {far} is further than a bone reaches, but not to the other side's {far}"
    return Suspicion(reason, ~any_of(~np.isfinite(straight)), suspected)


def _mirrored(eyes: FloatArray, nose: FloatArray, seen: Mask, size: FloatArray) -> Suspicion:
    across, down = eyes[:, 0] - eyes[:, 1], nose - eyes.mean(axis=1)
    turn = (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) / size**2
    near = np.linalg.norm(down, axis=-1) < _FAR * size  # else the nose is at fault
    suspected = seen & near & (turn < _MIRRORED)
    return Suspicion("eyes and nose of a visible face are mirrored", seen & np.isfinite(turn), suspected)
