"""What was found, as tables for the terminal and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from elifpose.datasets.verification.problems import Findings, Problem, Severity

_ORDER = list(Severity)


def findings_table(findings: Findings) -> Group:
    """A set's problems by kind: how bad, how many, and the first of them; and what was looked at."""
    source = findings.source
    mend, look = (findings.number(severity) for severity in (Severity.MEND, Severity.LOOK))
    looked_at = ", ".join(f"{number} {what}" for what, number in findings.looked_at.items())
    title = Text(f"\n{source.name} ({', '.join(source.splits)}): {mend} to mend, {look} to look at", "bold")
    table = _table(findings)
    return Group(title, *([table] if table.row_count else []), Text(f"looked at: {looked_at}"))


def _table(findings: Findings) -> Table:
    table = Table()
    for column in ("", "kind", "number", "example"):
        table.add_column(column, justify="right" if column == "number" else "left", overflow="fold")
    by_kind: dict[tuple[Severity, str], list[Problem]] = {}
    for problem in findings.problems:
        by_kind.setdefault((problem.severity, problem.kind), []).append(problem)
    for (severity, kind), problems in sorted(by_kind.items(), key=lambda item: _ORDER.index(item[0][0])):
        style = "red" if severity is Severity.MEND else "yellow"
        table.add_row(Text(severity, style), Text(kind), str(len(problems)), Text(_example(problems[0])))
    for kind, number in findings.notes.items():
        if number:
            table.add_row(Text(Severity.NOTE, "dim"), Text(kind), str(number), "")
    return table


def _example(problem: Problem) -> str:
    name = problem.file.rpartition("/")[2]
    place = name if problem.annotation is None else f"{name}, annotation {problem.annotation}"
    return f"{place}: {problem.reason}"


def report_json(found: Sequence[Findings], quick: bool) -> str:
    """Everything: for each set what was looked at and what is ordinary, and an entry for each problem.

    Problems come by severity, then by set; sets are told apart by name and splits.

    Args:
        found: Of each set.
        quick: Whether images were judged by their headers and ends.
    """
    problems = [(findings, problem) for findings in found for problem in findings.problems]
    problems.sort(key=lambda entry: _ORDER.index(entry[1].severity))
    document = {
        "images_read": "headers and ends" if quick else "decoded",
        "mend": sum(findings.number(Severity.MEND) for findings in found),
        "look": sum(findings.number(Severity.LOOK) for findings in found),
        "sets": [_set_entry(findings) for findings in found],
        "problems": [_problem_entry(findings, problem) for findings, problem in problems],
    }
    return json.dumps(document, indent=1) + "\n"


def _set_entry(findings: Findings) -> dict[str, Any]:
    source = findings.source
    return {
        "set": source.name,
        "splits": list(source.splits),
        "annotations": str(source.annotations),
        "images": str(source.images),
        "looked_at": dict(findings.looked_at),
        "mend": findings.number(Severity.MEND),
        "look": findings.number(Severity.LOOK),
        "notes": {kind: number for kind, number in findings.notes.items() if number},
    }


def _problem_entry(findings: Findings, problem: Problem) -> dict[str, Any]:
    return {"set": findings.source.name, "splits": list(findings.source.splits), **problem._asdict()}
