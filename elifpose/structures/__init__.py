"""What the other folders hand to each other: skeletons and batches."""

from elifpose.structures.batch import PoseBatch, PoseSample
from elifpose.structures.skeleton import Link, Skeleton
from elifpose.structures.skeletons import SKELETONS, get_skeleton, keypoint_mapping

__all__ = ["SKELETONS", "Link", "PoseBatch", "PoseSample", "Skeleton", "get_skeleton", "keypoint_mapping"]
