"""Whether a keypoint is seen: what the depth and index buffers show at its pixel."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.appearance import GROUPS
from elifpose.structures.skeletons import HALPE26

Array = npt.NDArray[np.float64]


class _Neighbourhood(NamedTuple):
    groups: tuple[str, ...]
    """Parts of the body that may show at a seen keypoint's pixel."""
    depth: float
    """How far their surface may lie in front of the keypoint, fraction of stature."""


# Names without their side; "@" is the keypoint's own side. The depths exceed the radius of the part at the keypoint,
# and are less than the body's extent, so that the far ear, hip and shoulder are hidden by the body itself.
_NEIGHBOURHOODS = {
    "nose": _Neighbourhood(("head",), 0.035),
    "eye": _Neighbourhood(("head",), 0.032),
    "ear": _Neighbourhood(("head", "hair"), 0.032),
    "head": _Neighbourhood(("head", "hair"), 0.075),
    "neck": _Neighbourhood(("torso", "head"), 0.095),
    "shoulder": _Neighbourhood(("torso", "@upper_arm"), 0.085),
    "elbow": _Neighbourhood(("@upper_arm", "@forearm"), 0.060),
    "wrist": _Neighbourhood(("@forearm", "@hand"), 0.045),
    "hip": _Neighbourhood(("torso", "@thigh"), 0.120),
    "knee": _Neighbourhood(("@thigh", "@shank"), 0.080),
    "ankle": _Neighbourhood(("@shank", "@foot"), 0.055),
    "big_toe": _Neighbourhood(("@foot",), 0.040),
    "small_toe": _Neighbourhood(("@foot",), 0.040),
    "heel": _Neighbourhood(("@foot",), 0.050),
}


def _table() -> tuple[npt.NDArray[np.bool_], Array]:
    """Which groups belong to each keypoint, ``(26, G)``, and the depths, ``(26,)``."""
    allowed = np.zeros((HALPE26.num_keypoints, len(GROUPS)), dtype=bool)
    depths = np.zeros(HALPE26.num_keypoints)
    for row, name in enumerate(HALPE26.keypoints):
        neighbourhood = _NEIGHBOURHOODS[name.removeprefix("left_").removeprefix("right_")]
        depths[row] = neighbourhood.depth
        for group in neighbourhood.groups:
            sides = (name.split("_")[0],) if name.startswith(("left_", "right_")) else ("left", "right")
            for full_name in {group.replace("@", f"{side}_") for side in sides}:
                allowed[row, GROUPS.index(full_name)] = True
    return allowed, depths


_ALLOWED, _DEPTHS = _table()


def keypoint_visibility(
    keypoints: Array,
    depths: Array,
    depth_buffer: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int32],
    stature: float,
) -> npt.NDArray[np.uint8]:
    """Whether each keypoint of one person is seen.

    Args:
        keypoints: ``(26, 2)``, image pixels.
        depths: ``(26,)``, their depths along the view, metres.
        depth_buffer: ``(H, W)``, depth of what is nearest at each pixel, metres.
        groups: ``(H, W)``, group of the person's parts at each pixel, 0 where someone or something else shows.
        stature: Of the person, metres.

    Returns:
        ``(26,)`` uint8: 2 where the nearest surface at the keypoint's pixel is of a part that belongs to it and lies
        about as deep, 1 where something hides it, 0 outside the image.
    """
    height, width = depth_buffer.shape
    pixels = np.rint(keypoints).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1) & (depths > 0)
    columns, rows = pixels[:, 0].clip(0, width - 1), pixels[:, 1].clip(0, height - 1)
    own = _ALLOWED[np.arange(len(keypoints)), groups[rows, columns]]
    near = np.abs(depths - depth_buffer[rows, columns]) < _DEPTHS * stature
    return np.where(inside, np.where(own & near, 2, 1), 0).astype(np.uint8)
