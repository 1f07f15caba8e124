"""Which boxes, keypoints, areas and counts are suspicious: one small function for each kind of mistake.

Image pixels throughout; a box is left, top, width, height. A NaN never makes anything suspicious but in `not_finite`.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

EDGE = 2.0
"""Pixels by which a box or a keypoint may leave the image: annotators' rounding."""
MARGIN = 0.25
"""By which part of its longer side a keypoint may lie outside its box."""
_AREA_SLACK = 1.05


def any_of(mask: Mask) -> Mask:
    """``(...)``: whether any of the last axis of ``(..., C)`` is true."""
    return np.asarray(mask.any(axis=-1))


def not_finite(boxes: FloatArray) -> Mask:
    """``(N,)``: boxes ``(N, 4)`` that are missing or have a NaN or infinite number."""
    return any_of(~np.isfinite(boxes))


def without_size(boxes: FloatArray) -> Mask:
    """``(N,)``: boxes ``(N, 4)`` whose width or height is zero or negative."""
    return any_of(boxes[:, 2:] <= 0)


def off_image(boxes: FloatArray, sizes: IntArray) -> Mask:
    """``(N,)``: boxes ``(N, 4)`` of which nothing lies between the centres of the image's first and last pixels.

    Such a box has no size once it is cut to the image, as `clip_boxes` does.

    Args:
        boxes: ``(N, 4)``.
        sizes: ``(N, 2)``, width and height of each box's image.
    """
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return any_of((high <= 0) | (low >= sizes - 1))


def overhanging(boxes: FloatArray, sizes: IntArray) -> Mask:
    """``(N,)``: boxes that leave the image by more than `EDGE`; arguments as `off_image`."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return any_of((low < -EDGE) | (high > sizes + EDGE))


def keypoints_off_image(keypoints: FloatArray, labelled: Mask, sizes: IntArray) -> Mask:
    """``(N, K)``: labelled keypoints that leave the image by more than `EDGE`.

    Args:
        keypoints: ``(N, K, 2)``, x then y.
        labelled: ``(N, K)``.
        sizes: ``(N, 2)``, width and height of each person's image.
    """
    outside = (keypoints < -EDGE) | (keypoints > sizes[:, None] - 1 + EDGE)
    return labelled & any_of(outside)


def keypoints_off_box(keypoints: FloatArray, labelled: Mask, boxes: FloatArray) -> Mask:
    """``(N, K)``: labelled keypoints further outside their box than `MARGIN` of its longer side.

    Args:
        keypoints: ``(N, K, 2)``, x then y.
        labelled: ``(N, K)``.
        boxes: ``(N, 4)``.
    """
    margin = MARGIN * boxes[:, 2:].max(axis=1)[:, None, None]
    low, high = boxes[:, None, :2], (boxes[:, :2] + boxes[:, 2:])[:, None]
    return labelled & any_of((keypoints < low - margin) | (keypoints > high + margin))


def most_visible(visibility: npt.NDArray[np.uint8]) -> Mask:
    """``(N, K)``: each person's visible keypoints, or all labelled ones where a person has none that are visible.

    Args:
        visibility: ``(N, K)``, 0 not labelled, 1 hidden, 2 visible; some sets do not tell the last two apart.
    """
    visible = visibility == 2
    return np.where(any_of(visible)[:, None], visible, visibility > 0)


def keypoints_at_origin(keypoints: FloatArray, labelled: Mask) -> Mask:
    """``(N, K)``: labelled keypoints at exactly 0, 0, where unlabelled ones are put."""
    return labelled & ~any_of(keypoints != 0)


def counted_otherwise(stated: IntArray, labelled: Mask, body: int) -> Mask:
    """``(N,)``: people whose stated number of keypoints is neither that of all labelled ones nor of the body's.

    Args:
        stated: ``(N,)``, the file's count; negative where it has none.
        labelled: ``(N, K)``.
        body: How many keypoints come first and are COCO's: Halpe and COCO-WholeBody count those alone.
    """
    everything: IntArray = np.count_nonzero(labelled, axis=1)
    of_body: IntArray = np.count_nonzero(labelled[:, :body], axis=1)
    return np.asarray((stated >= 0) & (stated != everything) & (stated != of_body))


def larger_than_box(areas: FloatArray, boxes: FloatArray) -> Mask:
    """``(N,)``: areas ``(N,)`` above the box's by more than 5 %; never where the box has no size."""
    of_box = boxes[:, 2] * boxes[:, 3]
    return (of_box > 0) & (areas > _AREA_SLACK * of_box)


def repeated(values: npt.NDArray[np.generic]) -> Mask:
    """``(N,)``: which of ``(N,)`` or ``(N, C)`` values, rows in the second case, came before."""
    again = np.ones(len(values), np.bool_)
    again[np.unique(values, axis=0, return_index=True)[1]] = False
    return again


def same_person(images: IntArray, boxes: FloatArray, keypoints: FloatArray, labelled: Mask) -> Mask:
    """``(N,)``: labelled people who come before in the same image, with the same box and the same keypoints.

    Args:
        images: ``(N,)``, which image.
        boxes: ``(N, 4)``.
        keypoints: ``(N, K, 2)``.
        labelled: ``(N, K)``.
    """
    people = np.flatnonzero(any_of(labelled))
    points = (keypoints[people] * labelled[people, :, None]).reshape(len(people), 2 * labelled.shape[1])
    again = np.zeros(len(images), np.bool_)
    again[people] = repeated(np.column_stack((images[people], np.nan_to_num(boxes[people]), points)))
    return again
