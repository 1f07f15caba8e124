from pathlib import Path

import pytest

from elifpose.datasets.layouts.errors import refused
from elifpose.utils.errors import ElifPoseError


def test_file_place_and_layout_are_named() -> None:
    message = r"^a\.json: person 3 is not as in X's JSON \(KeyError: 'box'\); fetch the file again$"
    with pytest.raises(ElifPoseError, match=message), refused(Path("a.json"), "person 3", "X's JSON"):
        raise KeyError("box")


def test_what_was_told_already_passes() -> None:
    with pytest.raises(ElifPoseError, match=r"^as it was$"), refused(Path("a.json"), "person 3", "X's JSON"):
        raise ElifPoseError("as it was")
