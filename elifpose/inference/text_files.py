"""Text files that are written line by line, so that long recordings need no memory for them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from elifpose.biomechanics import MODELS
from elifpose.inference.recording import FloatArray
from elifpose.utils.errors import ElifPoseError

NOTE = "model estimate, not a measurement"
ANGLES_CITATION = (
    "Angles as Sports2D defines them: Pagnon D, Kim H (2024). Sports2D: Compute 2D human pose and angles from a "
    "video or a webcam. Journal of Open Source Software 9(101), 6849."
)


def citation(model: str) -> str:
    """What must stand beside every length of a muscle-tendon model, in one line."""
    return " ".join(MODELS[model].citations)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text, UTF-8, each ended by one line feed.

    Raises:
        ElifPoseError: If the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise ElifPoseError(
            f"{path} cannot be written: {error.strerror}; make room there, or give another folder"
        ) from error


def cells(values: FloatArray, decimals: int) -> list[str]:
    """Numbers as text with that many decimals; an empty text where one is not known.

    >>> cells(np.array([1.25, np.nan]), 1)
    ['1.2', '']
    """
    return [f"{value:.{decimals}f}" if np.isfinite(value) else "" for value in values.tolist()]
