"""Faces made unrecognisable: where a person's head is in each frame, and what is done to the pixels there."""

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.inference.recording import FloatArray, Track
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.drawing import ImageArray

_FACE = [HALPE26.index(name) for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head")]
_HEAD = [*_FACE, HALPE26.index("neck")]

_MARGIN = 1.3  # of the distance from the middle of the head's points to the farthest
_WHOLE_HEAD, _PART = 0.1, 0.16  # smallest radius, by the person's extent: half a head is 0.065 of the body's height
_MISSED = 1.3  # how much larger a region is where the head was not found
_CELLS = 7  # squares across a region: a face is left with four or five


def head_regions(track: Track, min_score: float = 0.3) -> FloatArray:
    """An ellipse over the head in every frame, with a generous margin.

    Around the points of face, head and neck that are seen; if none is but the neck, over the top of the person's box
    (over all of a box that is wider than high: somebody who lies); without a box, where the frames before and after
    have it, and larger.

    Args:
        track: The person.
        min_score: Points below are not seen.

    Returns:
        ``(T, 4)``, image pixels: middle x and y, and half of the width and of the height. NaN throughout of a person
        who is never seen.
    """
    places = np.where(track.keypoints[..., 2:] >= min_score, track.keypoints[..., :2], np.nan)
    regions = np.stack([_region(*frame) for frame in zip(places, track.boxes, strict=True)])
    known = np.isfinite(regions).all(axis=1)
    if known.any():
        frames = np.arange(len(regions))
        for column in regions.T:
            column[~known] = np.interp(frames[~known], frames[known], column[known])
        regions[~known, 2:] *= _MISSED
    return regions


def blur_head(image: ImageArray, region: FloatArray) -> None:
    """Replace an ellipse of a picture by a few large squares, in place.

    Args:
        image: ``(H, W, 3)``.
        region: ``(4,)``, one row of `head_regions`; with NaN nothing is done.
    """
    if not np.isfinite(region).all():
        return
    height, width = image.shape[:2]
    lowest = np.floor(region[:2] - region[2:]).clip(0, (width, height)).astype(int)
    highest = np.ceil(region[:2] + region[2:] + 1).clip(0, (width, height)).astype(int)
    (left, top), (right, bottom) = lowest, highest
    if left >= right or top >= bottom:
        return
    part = image[top:bottom, left:right]
    cells = (min(_CELLS, right - left), min(_CELLS, bottom - top))
    coarse = cv2.resize(cv2.resize(part, cells, interpolation=cv2.INTER_AREA), part.shape[1::-1])
    rows, columns = np.ogrid[top:bottom, left:right]
    inside = ((columns - region[0]) / region[2]) ** 2 + ((rows - region[1]) / region[3]) ** 2 <= 1
    np.copyto(part, np.asarray(coarse, np.uint8), where=inside[..., None])


def _region(places: FloatArray, box: FloatArray) -> FloatArray:
    """The ellipse of one frame, ``(4,)``, from points ``(26, 2)`` that are NaN where not seen, and a box."""
    seen = np.isfinite(places[:, 0])
    if seen[_FACE].any():
        head = places[_HEAD][seen[_HEAD]]
        middle = (head.min(axis=0) + head.max(axis=0)) / 2
        whole = seen[_HEAD[-1]] and seen[_HEAD[-2]]
        smallest = (_WHOLE_HEAD if whole else _PART) * _extent(places[seen], box)
        radius = max(_MARGIN * float(np.hypot(*(head - middle).T).max()), smallest)
        return np.array([*middle, radius, radius])
    left, top, width, height = box
    if width > height:
        return np.array([left + width / 2, top + height / 2, 0.75 * width, 0.75 * height])
    return np.array([left + width / 2, top + 0.1 * height, 0.75 * width, 0.3 * height])


def _extent(points: FloatArray, box: FloatArray) -> float:
    """The larger of width and height of a person: of points ``(N, 2)`` and the box, image pixels."""
    sizes: npt.NDArray[np.float64] = np.append(np.ptp(points, axis=0), np.where(np.isfinite(box[2:]), box[2:], 0.0))
    return float(sizes.max())
