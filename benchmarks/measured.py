"""The measured table: from what was measured in one run to Markdown, and into the files that show it."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from rows import Row

BEGIN = "<!-- measured: `make benchmark` writes what follows, as a whole -->"
END = "<!-- /measured -->"
NOT_MEASURED = "not measured"
PACKAGES = ("elifpose", "torch", "opencv-python", "onnxruntime", "numpy", "pycocotools")


class Part(NamedTuple):
    """One command and what it found."""

    name: str
    command: Sequence[str]
    """Arguments, the program first."""
    minutes: float | None = None
    rows: Sequence[Row] | None = None
    """None if it was not run, or failed."""


class Run(NamedTuple):
    """Everything that one run measured."""

    date: str
    minutes: float
    machine: str
    versions: Mapping[str, str]
    parts: Sequence[Part]


def document(run: Run) -> dict[str, object]:
    """The same for JSON."""
    parts = []
    for part in run.parts:
        rows = None if part.rows is None else [row._asdict() for row in part.rows]
        parts.append({**part._asdict(), "command": shown(part.command), "rows": rows})
    return {**run._asdict(), "parts": parts}


def block(run: Run) -> str:
    """Markdown: what ran where, and a table with a row for each figure."""
    packages = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    lines = [
        f"Measured on {run.date} in {run.minutes:.0f} minutes, on {run.machine}; {packages}.",
        "",
        "| measured | | compared with | command |",
        "|---|---|---|---|",
    ]
    for part in run.parts:
        rows = [Row(part.name, NOT_MEASURED, "")] if part.rows is None else part.rows
        lines += [_line(*row, f"`{shown(part.command)}`") for row in rows]
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(command: Sequence[str]) -> str:
    """The command as it may be typed elsewhere: of files with absolute paths, the name alone."""
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in command)


def has_place(text: str) -> bool:
    """Whether a text has both markers once, in order."""
    return text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)


def replaced(text: str, between: str) -> str:
    """The text with something else between its markers."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{between}\n{END}{rest.partition(END)[2]}"


def machine(cores: int, load: float) -> str:
    """Its processor, and how busy it was.

    Args:
        cores: That may be used.
        load: Average number of processes that wanted to run, before anything was measured.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{cores} cores of {name}, load {load:.1f} before"


def versions() -> dict[str, str]:
    """Of Python and the packages whose speed this is."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
