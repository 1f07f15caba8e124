"""From a person's box to the crop that the network sees: one affine map, drawn at random, and one warp.

Everything geometric of the recipe (RTMPose; Jiang et al., 2023) is folded into a single matrix from *image pixels*
to *input pixels*, so that an image is resampled once. What does not move a keypoint is done later, batched, in
`elifpose.datasets.augment`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import NamedTuple, final

import cv2
import numpy as np
import numpy.typing as npt

from elifpose.structures import Skeleton
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import FloatArray, image_to_input_matrix

_NORMAL = NormalDist()
_BELOW = _NORMAL.cdf(-1.0)
_MIN_UPPER_KEYPOINTS, _MIN_LOWER_KEYPOINTS = 2, 3
_MIN_EXTENT = 1.0  # image pixels; a half whose keypoints all but coincide says nothing of the person's size


class CropPlan(NamedTuple):
    """How one person is cropped."""

    matrix: FloatArray
    """``(2, 3)``, image pixels to input pixels; a mirroring is part of it."""
    flip: bool
    """Whether it mirrors: the keypoints then change places by `Skeleton.flip_indices`."""


class Region(NamedTuple):
    """The part of an image that is cropped, before its aspect ratio is fixed."""

    center: FloatArray
    """``(2,)``, image pixels."""
    scale: FloatArray
    """``(2,)``, width and height with padding, image pixels."""


class _Uniforms(NamedTuple):
    """One number from [0, 1) per decision: always all nine, so that no decision changes what the next one draws."""

    flip: float
    half_body: float
    upper: float
    shift: float
    shift_x: float
    shift_y: float
    scale: float
    rotate: float
    rotation: float


def truncated_normal(uniform: float) -> float:
    """Standard normal number cut to [−1, 1], by the inverse of its distribution.

    Args:
        uniform: A number from [0, 1), uniformly distributed.
    """
    return _NORMAL.inv_cdf(_BELOW + (1.0 - 2.0 * _BELOW) * uniform)


def box_region(box_xywh: FloatArray, padding: float) -> Region:
    """The region of a box ``(4,)`` (image pixels; left, top, width, height), enlarged by ``padding``."""
    return Region(box_xywh[:2] + box_xywh[2:] * 0.5, box_xywh[2:] * padding)


def half_body_region(
    keypoints_image: FloatArray, labelled: npt.NDArray[np.bool_], skeleton: Skeleton, upper: bool, padding: float
) -> Region | None:
    """The region about the upper or the lower half of a body.

    The other half is taken where the wanted one has too few keypoints: the upper needs 2, the lower 3.

    Args:
        keypoints_image: ``(K, 2)``, image pixels.
        labelled: ``(K,)``, which keypoints were annotated; others are not looked at.
        skeleton: Says which keypoints make up each half.
        upper: Which half is wanted.
        padding: Factor on the extent of the half's keypoints.

    Returns:
        Mean of the half's keypoints and their extent with padding; None where neither half has enough keypoints, or
        they lie within one pixel.
    """
    halves = (
        ([i for i in skeleton.upper_body_indices if labelled[i]], _MIN_UPPER_KEYPOINTS),
        ([i for i in skeleton.lower_body_indices if labelled[i]], _MIN_LOWER_KEYPOINTS),
    )
    for indices, required in halves if upper else halves[::-1]:
        if len(indices) >= required:
            points = keypoints_image[indices]
            extent = np.ptp(points, axis=0)
            return Region(points.mean(axis=0), extent * padding) if extent.max() >= _MIN_EXTENT else None
    return None


@final
@dataclass(frozen=True)
class GeometricTransform:
    """Random mirroring, half body, shift, scale and rotation of a person's crop.

    The defaults are the recipe of RTMPose-t and -s; m, l and x take ``scale_factor=0.5`` and ``rotation=90``.
    Shift, scale and rotation follow a standard normal distribution cut to [−1, 1], times the factor given here.

    Args:
        flip_prob: Probability of mirroring.
        half_body_prob: Probability of cropping one half of the body, where enough keypoints are annotated.
        half_body_min_keypoints: How many keypoints must be annotated for that.
        upper_prob: Probability that it is the upper half, where both have enough keypoints.
        half_body_padding: Factor on the extent of the half's keypoints.
        shift_factor: Largest shift along each axis, as a part of the padded box's width or height.
        shift_prob: Probability of a shift; there is none in stage 2.
        scale_factor: Largest change of the region's size, as a part of it: 0.4 is 0.6 to 1.4 times.
        rotation: Largest rotation, degrees.
        rotation_prob: Probability of a rotation.
        padding: Factor on the person's box.

    Raises:
        ElifPoseError: If a probability lies outside [0, 1], a padding is not positive, a factor is negative or
            ``scale_factor`` reaches 1.
    """

    flip_prob: float = 0.5
    half_body_prob: float = 0.3
    half_body_min_keypoints: int = 9
    upper_prob: float = 0.7
    half_body_padding: float = 1.5
    shift_factor: float = 0.16
    shift_prob: float = 0.3
    scale_factor: float = 0.4
    rotation: float = 80.0
    rotation_prob: float = 0.6
    padding: float = 1.25

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_prob"):
                allowed, fits = "a probability from 0 to 1", 0.0 <= value <= 1.0
            elif field.name.endswith("padding"):
                allowed, fits = "above 0", 0.0 < value < float("inf")
            elif field.name == "scale_factor":
                allowed, fits = "at least 0 and below 1", 0.0 <= value < 1.0
            else:
                allowed, fits = "at least 0 and finite", 0.0 <= value < float("inf")
            if not fits:
                raise ElifPoseError(f"the augmentation's {field.name} is {value}; it must be {allowed}")

    def draw(
        self,
        keypoints_image: FloatArray,
        labelled: npt.NDArray[np.bool_],
        box_xywh: FloatArray,
        skeleton: Skeleton,
        input_size: tuple[int, int],
        rng: np.random.Generator | None,
        stage: int = 1,
    ) -> CropPlan:
        """Draw how one person is cropped.

        Args:
            keypoints_image: ``(K, 2)`` float64, image pixels.
            labelled: ``(K,)``, which keypoints were annotated.
            box_xywh: ``(4,)`` float64, image pixels, left, top, width, height; width and height above 0.
            skeleton: The keypoints' skeleton.
            input_size: Width and height of the network's input, pixels.
            rng: Source of the draws, nine numbers a call; None for the plain crop of validation.
            stage: 2 in the last epochs of the recipe: no shift.
        """
        region = box_region(box_xywh, self.padding)
        if rng is None:
            return CropPlan(_matrix(region.center.tolist(), region.scale.tolist(), input_size), flip=False)
        uniforms = _Uniforms(*rng.random(len(_Uniforms._fields)).tolist())
        if uniforms.half_body < self.half_body_prob and np.count_nonzero(labelled) >= self.half_body_min_keypoints:
            upper = uniforms.upper < self.upper_prob
            half = half_body_region(keypoints_image, labelled, skeleton, upper, self.half_body_padding)
            region = half or region
        (x, y), (width, height) = region.center.tolist(), region.scale.tolist()
        if stage == 1 and uniforms.shift < self.shift_prob:
            x += truncated_normal(uniforms.shift_x) * self.shift_factor * width
            y += truncated_normal(uniforms.shift_y) * self.shift_factor * height
        size = 1.0 + truncated_normal(uniforms.scale) * self.scale_factor
        rotation = (
            truncated_normal(uniforms.rotation) * self.rotation if uniforms.rotate < self.rotation_prob else 0.0
        )
        flip = uniforms.flip < self.flip_prob
        return CropPlan(_matrix((x, y), (width * size, height * size), input_size, rotation, flip), flip)


def _matrix(
    center: Sequence[float],
    scale: Sequence[float],
    input_size: tuple[int, int],
    rotation: float = 0.0,
    flip: bool = False,
) -> FloatArray:
    """The map of a region after its aspect ratio was fixed; single numbers, which are faster than small arrays."""
    aspect = input_size[0] / input_size[1]
    fixed = max(scale[0], scale[1] * aspect), max(scale[1], scale[0] / aspect)
    return image_to_input_matrix((center[0], center[1]), fixed, input_size, rotation, flip)


def warp(image: npt.NDArray[np.uint8], matrix: FloatArray, input_size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Crop an image by an affine matrix: bilinear, black where the image does not reach.

    OpenCV 4 and 5 differ by up to 5 grey levels here.

    Args:
        image: ``(H, W, 3)``, or ``(H, W, 4)``, which is faster; the fourth channel is not looked at.
        matrix: ``(2, 3)``, image pixels to input pixels.
        input_size: Width and height of the crop, pixels.

    Returns:
        ``(H_input, W_input, 3)``, the channels in the image's order.
    """
    crop = cv2.warpAffine(image, matrix, input_size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if image.shape[2] == 4:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB)
    return np.asarray(crop, dtype=np.uint8)
