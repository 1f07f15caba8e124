"""What a check says: a kind of mistake, how bad it is, and where."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, final

from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.verification.masks import Mask


class Severity(StrEnum):
    """What should be done about a problem."""

    MEND = "mend"
    """Training or evaluation stops, loses a labelled person, or learns something wrong."""
    LOOK = "look"
    """Suspicious, but used as it is."""
    NOTE = "note"
    """Ordinary; only counted."""


class Source(NamedTuple):
    """A set as the configuration names it."""

    name: str
    splits: tuple[str, ...]
    """Those that use it."""
    pose_set: PoseSet
    root: Path
    """Where relative paths start."""
    optional: bool = False
    """Whether a run goes on without the set where its files are absent."""

    @property
    def annotations(self) -> Path:
        """The annotation file or folder."""
        return self.root / self.pose_set.annotations

    @property
    def images(self) -> Path:
        """The folder of images."""
        return self.root / self.pose_set.images


class Problem(NamedTuple):
    """One mistake in one set."""

    kind: str
    severity: Severity
    file: str
    """The image or the annotation file at fault."""
    annotation: int | None
    """Id of the annotation; None where it is not about one."""
    reason: str


class Check(NamedTuple):
    """One kind of mistake, looked for in all ``A`` annotations of a set."""

    kind: str
    severity: Severity
    rows: Mask
    """``(A,)``, whose mistake it is."""
    reason: Callable[[int], str] = "".format
    """What is wrong with an annotation, by its position; ``"…".format`` says the same of all."""


@final
@dataclass
class Findings:
    """All that was found in one set."""

    source: Source
    problems: list[Problem] = field(default_factory=list)
    """What is to be mended or looked at."""
    notes: Counter[str] = field(default_factory=Counter)
    """How much of what is ordinary there is, by kind."""
    looked_at: Counter[str] = field(default_factory=Counter)
    """How many of what were checked."""

    def add(
        self, kind: str, severity: Severity, file: Path | str, reason: str, annotation: int | None = None
    ) -> None:
        """One more problem; where it is only a note, counted."""
        if severity is Severity.NOTE:
            self.notes[kind] += 1
        else:
            self.problems.append(Problem(kind, severity, str(file), annotation, reason))

    def number(self, severity: Severity) -> int:
        """How many problems of a severity there are."""
        return sum(problem.severity is severity for problem in self.problems)
