import logging
import warnings
from collections.abc import Iterator

import pytest
from lightning.pytorch.utilities import rank_zero

from elifpose.training.quiet import quiet_libraries


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    logger = logging.getLogger(rank_zero.__name__)
    before = list(logger.filters)
    with warnings.catch_warnings():
        yield
    logger.filters = before


@pytest.mark.parametrize(("line", "shown"), [("GPU available: False", True), ("💡 Tip: buy", False)])
def test_what_a_library_advertises_is_not_shown(line: str, shown: bool) -> None:
    quiet_libraries()
    record = logging.LogRecord("", logging.INFO, "", 0, line, None, None)
    assert bool(logging.getLogger(rank_zero.__name__).filter(record)) is shown


def test_other_warnings_stay() -> None:
    quiet_libraries()
    with pytest.warns(UserWarning, match="look at this"):
        warnings.warn("look at this", stacklevel=1)
    warnings.warn("The dirpath has changed from here to there", stacklevel=1)  # as an error, it would end the test
