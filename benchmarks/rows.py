"""What a benchmark found, as rows of the table that `make benchmark` writes."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One figure."""

    what: str
    """What was measured."""
    figure: str
    """What came out, with its unit; × is times as fast."""
    compared_with: str
    """What the figure is relative to, or judged by; empty where it stands alone."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--rows``."""
    parser.add_argument("--rows", type=Path, help="a JSON file to which the main figures are written, too")


def write_rows(path: Path | None, rows: Sequence[Row]) -> None:
    """Write rows, if the option was given."""
    if path is not None:
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """What `write_rows` wrote."""
    return [Row(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
