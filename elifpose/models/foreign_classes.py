"""Harmless classes in place of those that another framework's pickles name, found without running the pickles."""

import pickletools
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

# Pickles of protocol 2, which PyTorch writes, have Python 2's names.
_PYTHON_3_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Inert:
    """Stands in for any class or function of a file that is neither tensor nor primitive: does nothing."""

    def __new__(cls, *_: object) -> Any:
        """Take whatever the file passes."""
        return super().__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        """Drop whatever the file assigns."""


class InertDict(Inert):
    """Stands in for a class that is filled as a dict: PyTorch's restricted reader fills no other class."""

    def __new__(cls, *_: object) -> Any:
        """A dict instead."""
        return OrderedDict()


class InertList(Inert):
    """Stands in for a class that is filled as a list."""

    def __new__(cls, *_: object) -> Any:
        """A list instead."""
        return []


_FILLING = {"SETITEM": InertDict, "SETITEMS": InertDict, "APPEND": InertList, "APPENDS": InertList}


def stand_ins(path: Path) -> list[tuple[type[Inert], str]]:
    """A harmless class for every class and function that a file names, as ``safe_globals`` takes them.

    PyTorch's restricted reader prefers those that it knows itself.

    Args:
        path: What ``torch.save`` wrote; of a broken file the names up to where it breaks.
    """
    found: dict[str, type[Inert]] = {}
    with path.open("rb") as file, suppress(Exception):  # of any kind; what is wrong, the reader tells better
        if not zipfile.is_zipfile(file):
            file.seek(0)
            for _ in range(4):  # before PyTorch 1.6: a row of pickles, of which the fourth holds the weights
                _look_through(file, found)
        else:
            with zipfile.ZipFile(file) as archive:
                name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
                _look_through(archive.open(name), found)
    return [(stand_in, name) for name, stand_in in found.items()]


def _look_through(file: IO[bytes], found: dict[str, type[Inert]]) -> None:
    """Add the names in one pickle, each with what has to stand in for it.

    The stack holds, for each object, the name that made it or none: what an opcode takes and leaves is known.
    """
    stack: list[str | None] = []
    marks: list[int] = []
    memo: dict[object, str | None] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "MARK":
            marks.append(len(stack))
            continue
        taken = len(opcode.stack_before)
        if pickletools.stackslice in opcode.stack_before:
            del stack[marks.pop() :]
            taken -= 2  # the mark and what lay above it
        made_by = stack[-taken] if taken else None
        del stack[len(stack) - taken :]
        if opcode.name == "GLOBAL":
            module, name = str(argument).split(" ")
            made_by = f"{_PYTHON_3_MODULES.get(module, module)}.{name}"
            found.setdefault(made_by, Inert)
        elif opcode.name in _FILLING and made_by is not None:
            found[made_by] = _FILLING[opcode.name]
        elif "PUT" in opcode.name:
            memo[argument] = stack[-1]
        elif "GET" in opcode.name:
            made_by = memo[argument]
        stack += [made_by] * len(opcode.stack_after)
