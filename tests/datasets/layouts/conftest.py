"""MATLAB's arrays of structures, as the publishers' files hold them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Structures = Callable[[list[dict[str, Any]]], Any]


@pytest.fixture
def structure_array() -> Structures:
    """A function that makes what `scipy.io.savemat` writes as an array of structures, all with the same fields."""

    def make(records: list[dict[str, Any]]) -> Any:
        array = np.zeros((1, len(records)), [(name, object) for name in records[0]])
        for position, record in enumerate(records):
            array[0, position] = tuple(record.values())
        return array

    return make
