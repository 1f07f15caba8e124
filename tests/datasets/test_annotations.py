import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from elifpose.datasets.annotations import Annotations, load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.utils.errors import ElifPoseError

from .conftest import MakeSet, person


class CountingParser:
    """Parses, and remembers how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, content: bytes, source: Path, skeleton: Skeleton) -> Annotations:
        self.calls += 1
        return parse_coco(content, source, skeleton)
