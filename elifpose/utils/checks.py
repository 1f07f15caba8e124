"""What arguments are held to, and the sentence if they are not."""

import math
from collections.abc import Mapping, Sequence

from elifpose.utils.errors import ElifPoseError


def check_indices(owner: str, name: str, indices: Sequence[int], allowed: range) -> None:
    """Raise :class:`ElifPoseError` unless ``indices`` are distinct, ascending and in ``allowed``."""
    if not indices or list(indices) != sorted(set(indices) & set(allowed)):
        raise ElifPoseError(
            f"{owner}: {name} is {list(indices)}; give distinct, ascending numbers from {allowed[0]} to {allowed[-1]}"
        )


def check_positive(owner: str, values: Mapping[str, float]) -> None:
    """Raise :class:`ElifPoseError` unless every one of the named values is a finite number above 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ElifPoseError(f"{owner}: {name} is {value}; give a finite number above 0")
