"""A set in several annotation files, as PoseTrack18 has one for each video."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import accumulate
from typing import Any

import numpy as np

from elifpose.datasets.annotations import Annotations


def join_annotations(parts: Sequence[Annotations]) -> Annotations:
    """One after the other, as if they had been in one file. In memory: each part has a cache of its own.

    Args:
        parts: At least one; of the same skeleton.
    """
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Annotations)
        if field.name != "cache"
    }
    images, people, names = (
        [0, *accumulate(len(getattr(part, name)) for part in parts)]
        for name in ("image_ids", "ids", "file_name_bytes")
    )
    columns["image_indices"] = np.concatenate(
        [
            np.where(part.image_indices >= 0, part.image_indices + start, -1).astype(np.int32)
            for part, start in zip(parts, images, strict=False)
        ]
    )
    columns["unusable"] = np.concatenate([part.unusable + start for part, start in zip(parts, people, strict=False)])
    columns["file_name_offsets"] = np.concatenate(
        [part.file_name_offsets[:-1] + start for part, start in zip(parts, names, strict=False)] + [names[-1:]]
    ).astype(np.int64)
    columns["others"] = np.array([sum(int(part.others[0]) for part in parts)], np.int64)
    return Annotations(**columns)
