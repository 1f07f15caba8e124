"""Which reader a set's annotations need: COCO's layout, or one of those that public sets are published in."""

from functools import partial
from pathlib import Path
from typing import Any

from elifpose.datasets.annotations import Annotations, load_annotations
from elifpose.datasets.coco import pack_coco
from elifpose.datasets.layouts.aic import from_aic
from elifpose.datasets.layouts.folder import join_annotations
from elifpose.datasets.layouts.image_records import labelled_frames, with_sizes
from elifpose.datasets.layouts.jhmdb import count_from_zero, from_jhmdb_clips
from elifpose.datasets.layouts.mpii import from_mpii_json, from_mpii_mat
from elifpose.datasets.layouts.ochuman import from_ochuman
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.records import read_json
from elifpose.structures import Skeleton, get_skeleton
from elifpose.utils.errors import ElifPoseError


def load_set(pose_set: PoseSet, root: Path) -> Annotations:
    """Read a set's annotations, by way of the cache.

    The layout is told from the file: ``.mat`` is MPII's, ``.txt`` a list of JHMDB's clips, and a JSON file is
    COCO-style or one of those that MPII, AI Challenger and OCHuman have; a folder is one COCO-style JSON file per
    video, as PoseTrack18's. Where a layout does not say how large its images are, their headers are read, and the
    cache keeps the answer.

    Args:
        pose_set: Where it lies, and what it is annotated with.
        root: Where relative paths start.

    Raises:
        ElifPoseError: If a file is missing, broken or of no known layout, or does not fit the skeleton.
    """
    source, skeleton = root / pose_set.annotations, get_skeleton(pose_set.skeleton)
    parse = partial(parse_set, images=root / pose_set.images)
    if not source.is_dir():
        return load_annotations(source, skeleton, parse)
    files = sorted(source.glob("*.json"))
    if not files:
        raise ElifPoseError(f"the folder of annotations {source} has no JSON file; name a file, or unpack it there")
    return join_annotations([load_annotations(file, skeleton, parse) for file in files])


def parse_set(content: bytes, source: Path, skeleton: Skeleton, images: Path) -> Annotations:
    """Pack the content of an annotation file of any layout.

    Args:
        content: The file's bytes.
        source: Its path.
        skeleton: What it is annotated with.
        images: The folder of its images.

    Raises:
        ElifPoseError: As `load_set`.
    """
    if source.suffix == ".mat":
        document: Any = from_mpii_mat(content, source)
    elif source.suffix == ".txt":
        document = from_jhmdb_clips(content, source)
    else:
        document = labelled_frames(_coco_style(read_json(content, source), source, skeleton))
        if skeleton.name == "jhmdb":
            document = count_from_zero(document, source)
    return pack_coco(with_sizes(document, images, source), source, skeleton)


def _coco_style(document: Any, source: Path, skeleton: Skeleton) -> Any:
    """A COCO-style document; whether it is one is left to who packs it."""
    if isinstance(document, dict):
        own = "keypoint_names" in document and "annotations" not in document
        return from_ochuman(document, source, skeleton.keypoints) if own else document
    if isinstance(document, list):
        first = document[0] if document and isinstance(document[0], dict) else {}
        if "joints" in first:
            return from_mpii_json(document, source)
        if "keypoint_annotations" in first:
            return from_aic(document, source)
        raise ElifPoseError(
            f"{source} is a list, but neither MPII's (with 'joints', 'center' and 'scale') nor AI Challenger's (with"
            " 'keypoint_annotations'); a COCO-style file is an object with 'images' and 'annotations'"
        )
    return document
