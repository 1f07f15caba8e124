import math

import pytest

from elifpose.utils.checks import check_indices, check_positive
from elifpose.utils.errors import ElifPoseError


@pytest.mark.parametrize("indices", [(), (5,), (-1,), (2, 1), (1, 1)])
def test_indices_are_told_what_is_allowed(indices: tuple[int, ...]) -> None:
    with pytest.raises(ElifPoseError, match=r"Owner: levels is .* from 0 to 4"):
        check_indices("Owner", "levels", indices, range(5))


def test_distinct_ascending_indices_pass() -> None:
    check_indices("Owner", "levels", [0, 2, 4], range(5))


@pytest.mark.parametrize("value", [0, -1.5, math.nan, math.inf])
def test_a_number_that_is_not_positive_is_named(value: float) -> None:
    check_positive("Owner", {"other": 1e-9})
    with pytest.raises(ElifPoseError, match=f"Owner: size is {value}; give a finite number above 0"):
        check_positive("Owner", {"other": 1, "size": value})
