"""Which reader a set's annotation file needs: COCO's layout, or one of those that public sets are published in."""

from pathlib import Path

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.coco import load_coco
from elifpose.datasets.pose_set import PoseSet
from elifpose.structures import get_skeleton


def load_set(pose_set: PoseSet, root: Path) -> Annotations:
    """Read a set's annotations, by way of the cache.

    Args:
        pose_set: Where it lies, and what it is annotated with.
        root: Where relative paths start.

    Raises:
        ElifPoseError: If the file is missing, broken or of no known layout, or does not fit the skeleton.
    """
    return load_coco(root / pose_set.annotations, get_skeleton(pose_set.skeleton))
