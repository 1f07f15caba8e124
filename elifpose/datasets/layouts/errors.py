"""How a file that looked like a known layout, but is not, is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elifpose.utils.errors import ElifPoseError


@contextmanager
def refused(source: Path, place: str, layout: str) -> Iterator[None]:
    """Name file and place where values are missing or of another kind than the layout has.

    Args:
        source: The file.
        place: Where in it the values stand, such as ``person number 3``.
        layout: What the file was taken for.

    Raises:
        ElifPoseError: Instead of what Python raises for missing keys, wrong lengths and wrong types.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ElifPoseError(
            f"{source}: {place} is not as in {layout} ({type(error).__name__}: {error}); fetch the file again"
        ) from error
