"""A detector's person boxes, to crop in evaluation instead of the annotated ones."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import Finding, order_by_image
from elifpose.datasets.records import check_objects, integers, number_lists, numbers, positions, read_json
from elifpose.utils.errors import ElifPoseError


class Detections(NamedTuple):
    """``N`` boxes, by image in the annotations' order, as the file has them otherwise."""

    image_indices: npt.NDArray[np.int32]
    """``(N,)``, position of the image in the annotations."""
    boxes: npt.NDArray[np.float64]
    """``(N, 4)``, left, top, width, height; image pixels."""
    scores: npt.NDArray[np.float64]
    """``(N,)``."""
    findings: tuple[Finding, ...]
    """What was left out."""


def load_detections(path: str | Path, annotations: Annotations, person_category: int = 1) -> Detections:
    """Read a JSON list of ``{"image_id", "category_id", "bbox", "score"}``, COCO's format of results.

    Boxes are not cut to the image, as in the published evaluations.

    Args:
        path: The file.
        annotations: The set that the images are of.
        person_category: Boxes of other categories are left out and counted.

    Raises:
        ElifPoseError: If the file cannot be read, is no such list, or if no box is left.
    """
    source = Path(path)
    try:
        records = read_json(source.read_bytes(), source)
    except FileNotFoundError as error:
        raise ElifPoseError(f"there is no detection file {path}; check 'detections', 'boxes' and the root") from error
    except OSError as error:
        raise ElifPoseError(f"the detection file {path} cannot be read: {error.strerror}") from error
    if not isinstance(records, list):
        raise ElifPoseError(f"{source} is not a list of detections with 'image_id', 'bbox' and 'score'")
    check_objects(source, "detection", records)
    images = positions(annotations.image_ids, integers(source, "detection", records, "image_id"))
    boxes = number_lists(source, "detection", records, "bbox", (4,), np.nan)
    scores = numbers(source, "detection", records, "score", 1.0)
    person = integers(source, "detection", records, "category_id", person_category) == person_category
    sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1) & np.isfinite(scores)
    findings, kept = [], np.ones(len(records), np.bool_)
    for what, wrong, expected in (
        ("detections of another category than person", ~person, True),
        ("detections in images that the annotation file does not list", images < 0, False),
        ("detections with a box of zero size or numbers that are not finite", ~sound, False),
    ):
        if count := int(np.count_nonzero(kept & wrong)):
            examples = tuple(f"number {position}" for position in np.flatnonzero(kept & wrong)[:5])
            findings.append(Finding(what, count, examples, expected))
        kept &= ~wrong
    if not kept.any():
        raise ElifPoseError(
            f"{source} has no person box in an image of this set; give the detections that belong to it"
        )
    order = np.flatnonzero(kept)
    order = order[order_by_image(images[order])]
    return Detections(images[order], boxes[order], scores[order], tuple(findings))
