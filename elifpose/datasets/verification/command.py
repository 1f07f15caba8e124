"""The command: look for mistakes in a configuration's sets."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.verification.problems import Findings, Severity
from elifpose.datasets.verification.report import findings_table, report_json
from elifpose.datasets.verification.verify import verify
from elifpose.utils.errors import ElifPoseError

SUMMARY = "look for mistakes in a configuration's sets"
DESCRIPTION = (
    "Read every file of a configuration's sets and check every annotation; print a table for each set and write a"
    " report of file, id and reason. Options of `elifpose fit`, --config first of all, say which data. Exits with 1"
    " if something must be mended: it stops training, loses a labelled person or teaches something wrong. What is"
    " only suspicious is to be looked at; what is ordinary is counted."
)

_PIPED_WIDTH = 120
_STOPPED = 130  # as a shell says of a process ended by Ctrl-C


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; those of ``fit`` come on top."""
    parser.add_argument("--report", type=Path, default=Path("verification.json"), help="the JSON file to write")
    parser.add_argument("--quick", action="store_true", help="of images read only headers and ends, decode nothing")
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, help="processes that read images; 0 for this one")


def run(arguments: argparse.Namespace, data: PoseDataModule) -> int:
    """Check every set.

    Args:
        arguments: Options of `add_arguments`.
        data: The sets, not set up: nothing was read yet.

    Returns:
        What the process exits with: 1 if something must be mended.

    Raises:
        ElifPoseError: If an option is out of range, or the report cannot be written.
    """
    if arguments.workers < 0:
        raise ElifPoseError(f"--workers must not be negative, but is {arguments.workers}")
    if arguments.report.is_dir():
        raise ElifPoseError(f"--report: {arguments.report} is a folder; give the name of a file")
    _make_folder(arguments.report)  # before hours of reading, not after
    try:
        with _progress(arguments.workers) as progress:
            found = verify(data, arguments.quick, arguments.workers, progress)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; no report was written\n")
        return _STOPPED
    _print(found)
    _write(arguments.report, report_json(found, arguments.quick))
    return int(any(findings.number(Severity.MEND) for findings in found))


def _progress(workers: int) -> Progress:
    """A bar on the standard error; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Without workers the standard error is the decoder's at times, and no other thread may write there.
    return Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=workers > 0)


def _print(found: list[Findings]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    for findings in found:
        console.print(findings_table(findings))
    mend, look = (sum(of.number(severity) for of in found) for severity in (Severity.MEND, Severity.LOOK))
    console.print(f"\nAltogether {mend} to mend, {look} to look at.", highlight=False)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ElifPoseError:
    return ElifPoseError(f"--report: {path} cannot be written ({error.strerror}); give another name")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise _unwritable(path, error) from error
    sys.stdout.write(f"report: {path}\n")
