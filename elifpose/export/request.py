"""What a user wants exported."""

from pathlib import Path
from typing import NamedTuple

from elifpose.export.contract import Contract, Format, Precision


class Request(NamedTuple):
    """A file to be written, every default filled in."""

    out: Path
    format: Format
    precision: Precision
    contract: Contract
