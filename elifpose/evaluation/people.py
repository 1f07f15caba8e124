"""Annotated and detected people of one data set as arrays: what average precision is computed from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import AREA_OF_BOX

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_FAR = 1e6  # pixels: no person is so large that a keypoint this far away would be similar


@final
@dataclass(frozen=True, eq=False)
class TruePeople:
    """``G`` annotated people in ``I`` images, everyone with ``K`` keypoints; image pixels."""

    image_ids: IntArray
    """``(I,)``, ascending, each once; people are in images by position in this array."""
    images: IntArray
    """``(G,)``, ascending."""
    keypoints: FloatArray
    """``(G, K, 2)``, x then y."""
    labelled: BoolArray
    """``(G, K)``, COCO's visibility > 0."""
    boxes: FloatArray
    """``(G, 4)``, left, top, width, height."""
    areas: FloatArray
    """``(G,)``, image pixels squared."""
    crowd: BoolArray
    """``(G,)``, a group annotated as one: ignored, and any number of detections may match it."""
    ignored: BoolArray
    """``(G,)``, crowds and people without labelled keypoints: nobody misses them or is false there."""

    @classmethod
    def from_coco(cls, ground_truth: Mapping[str, Any], num_keypoints: int) -> Self:
        """Of a COCO JSON; gaps are filled as `coco_keypoint_figures` says.

        Annotations of images that it does not list are left out, those of one image keep their order.

        Raises:
            ElifPoseError: If an annotation has another number of keypoints or no box.
        """
        image_ids = np.unique(_integers(ground_truth.get("images", ()), "id"))
        everyone = list(ground_truth.get("annotations", ()))
        of_image = _integers(everyone, "image_id")
        rows = np.argsort(of_image, kind="stable")
        rows = rows[np.isin(of_image[rows], image_ids)]
        annotations = [everyone[row] for row in rows.tolist()]

        def where(row: int) -> str:
            return f"annotation {annotations[row].get('id')} of image {annotations[row]['image_id']}"

        given = [annotation.get("keypoints") for annotation in annotations]
        nothing = [0.0] * (3 * num_keypoints)
        triples = _triples([nothing if values is None else values for values in given], num_keypoints, where)
        labelled = triples[:, :, 2] > 0
        unlabelled = [
            count == 0 if (stated := annotation.get("num_keypoints")) is None or values is None else stated == 0
            for annotation, values, count in zip(annotations, given, labelled.sum(axis=1), strict=True)
        ]
        boxes = _boxes([annotation.get("bbox") for annotation in annotations], where)
        areas = _floats([annotation.get("area") for annotation in annotations])
        crowd = np.array([bool(annotation.get("iscrowd")) for annotation in annotations], dtype=np.bool_)
        return cls(
            image_ids=image_ids,
            images=np.searchsorted(image_ids, of_image[rows]),
            keypoints=triples[:, :, :2],
            labelled=labelled,
            boxes=boxes,
            areas=np.where(np.isnan(areas), AREA_OF_BOX * boxes[:, 2] * boxes[:, 3], areas),
            crowd=crowd,
            ignored=crowd | np.array(unlabelled, dtype=np.bool_),
        )


@final
@dataclass(frozen=True, eq=False)
class DetectedPeople:
    """``D`` detections in the images of some `TruePeople`; image pixels."""

    images: IntArray
    """``(D,)``, positions in `TruePeople.image_ids`."""
    keypoints: FloatArray
    """``(D, K, 2)``, x then y; finite."""
    scores: FloatArray
    """``(D,)``, of the persons."""
    areas: FloatArray
    """``(D,)``, image pixels squared; they decide whether an unmatched detection counts in (M) and (L)."""

    @classmethod
    def from_coco(cls, detections: Sequence[Mapping[str, Any]], image_ids: IntArray, num_keypoints: int) -> Self:
        """Of a COCO results list, in its order; `ElifPoseError` as `coco_keypoint_figures` says."""

        def where(row: int) -> str:
            return f"detection {row + 1} (image {detections[row]['image_id']})"

        of_image = _integers(detections, "image_id")
        listed = np.isin(of_image, image_ids)
        if not listed.all():
            raise ElifPoseError(
                f"{where(int(np.argmin(listed)))} is for an image that the ground truth does not list: evaluate "
                "detections with the annotations of the images that they were made on"
            )
        triples = _triples([detection["keypoints"] for detection in detections], num_keypoints, where)
        given = _boxes([detection.get("bbox") or (np.nan,) * 4 for detection in detections], where)
        boxes = boxes_or_extents(given, triples[:, :, :2])
        return cls(
            images=np.searchsorted(image_ids, of_image),
            keypoints=finite_keypoints(triples[:, :, :2]),
            scores=_floats([detection["score"] for detection in detections]),
            areas=boxes[:, 2] * boxes[:, 3],
        )


def finite_keypoints(keypoints: FloatArray) -> FloatArray:
    """Put keypoints ``(..., 2)`` with a coordinate that is no number too far away to match anything."""
    finite = _finite(keypoints)
    return keypoints if finite.all() else np.where(finite, keypoints, _FAR)


def boxes_or_extents(boxes: FloatArray, keypoints: FloatArray) -> FloatArray:
    """Give detections without a box the one around their keypoints.

    Args:
        boxes: ``(D, 4)``, image pixels, left, top, width, height; NaN for none.
        keypoints: ``(D, K, 2)``, image pixels; those that are not finite are left out.

    Returns:
        ``(D, 4)``, finite; a detection without a finite keypoint has an empty box.
    """
    missing = np.isnan(boxes).any(axis=1)
    points = keypoints[missing]
    finite = _finite(points)
    lowest = np.where(finite, points, np.inf).min(axis=1)
    highest = np.where(finite, points, -np.inf).max(axis=1)
    complete = boxes.copy()
    complete[missing] = np.where(finite.any(axis=1), np.concatenate((lowest, highest - lowest), axis=1), 0.0)
    return complete


def _finite(keypoints: FloatArray) -> BoolArray:
    """``(..., 1)`` of keypoints ``(..., 2)``."""
    return np.isfinite(keypoints[..., :1]) & np.isfinite(keypoints[..., 1:])


def _integers(records: Sequence[Mapping[str, Any]], key: str) -> IntArray:
    return np.array([record[key] for record in records], dtype=np.int64)


def _floats(values: Sequence[float | None]) -> FloatArray:
    """``(N,)``; None becomes NaN."""
    return np.array(values, dtype=np.float64)


def _triples(values: Sequence[Sequence[float]], num_keypoints: int, where: Callable[[int], str]) -> FloatArray:
    """``(N, K, 3)`` of flat x, y, v; ``where`` names a row in an error."""
    for row, each in enumerate(values):
        if len(each) != 3 * num_keypoints:
            raise ElifPoseError(
                f"{where(row)} has {len(each)} keypoint values, but {num_keypoints} sigmas ask for "
                f"{3 * num_keypoints} (x, y, v of each): give the sigmas of the skeleton in which it is annotated"
            )
    return np.array(values, dtype=np.float64).reshape(-1, num_keypoints, 3)


def _boxes(boxes: Sequence[Sequence[float] | None], where: Callable[[int], str]) -> FloatArray:
    """``(N, 4)``; ``where`` names a row in an error."""
    for row, box in enumerate(boxes):
        if box is None or len(box) != 4:
            raise ElifPoseError(
                f"{where(row)} has no 'bbox' of four numbers: give it left, top, width and height in pixels, as "
                "COCO has it"
            )
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)
