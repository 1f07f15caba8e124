from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics import MODELS
from elifpose.inference.text_files import cells, citation, write_lines
from elifpose.utils.errors import ElifPoseError


def test_lines_end_alike_on_every_system(tmp_path: Path) -> None:
    write_lines(tmp_path / "x.txt", iter(["a°", "", "b"]))
    assert (tmp_path / "x.txt").read_bytes() == "a°\n\nb\n".encode()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="cannot be written"):
        write_lines(tmp_path, [])


def test_what_is_not_known_is_an_empty_cell() -> None:
    assert cells(np.array([1.0, np.nan, np.inf, -2.0 / 3.0]), 2) == ["1.00", "", "", "-0.67"]


@pytest.mark.parametrize("model", MODELS)
def test_a_citation_names_all_sources_in_one_line(model: str) -> None:
    text = citation(model)
    assert "\n" not in text
    assert all(source in text for source in MODELS[model].citations)
