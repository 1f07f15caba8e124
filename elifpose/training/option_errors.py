"""What is said of options and configurations that cannot be understood."""

import re
from collections.abc import Sequence
from itertools import pairwise

_SAYS_NOTHING = re.compile(  # what the parser also tried
    r"Expected a path but .* either not accessible|Does not validate against|Subtypes:|Errors:|Given value type:"
    r"|Expected a <class 'NoneType'>"
)


def option_error(message: str, argv: Sequence[str]) -> str:
    """The parser's report as one sentence that ends with what to do.

    Args:
        message: Of the parser, over several lines.
        argv: What was typed.
    """
    lines = dict.fromkeys(line.strip(" -") for line in message.splitlines())
    told = ", ".join(line for line in lines if line and not _SAYS_NOTHING.match(line)).replace(":, ", ": ")
    told = re.sub(r"^Parser key \"(.+?)\"", r"--\1", told)
    told = re.sub(r"(a )?<class '([\w.]+)'>", r"\2", told).replace("Expected a typing.Literal", "Expected one of ")
    files = _configurations(argv)
    if not files:
        return f"{told}; there is no configuration: give --config FILE"
    if told.startswith("--config:"):
        return f"{told}; correct the path"
    if told.startswith("Problems parsing config"):
        return f"--config {', '.join(files)}: {told}; correct the file"
    return f"{told}; `elifpose fit --help` lists the options"


def _configurations(argv: Sequence[str]) -> list[str]:
    """The files given with ``--config``."""
    after = [value for word, value in pairwise(argv) if word in ("--config", "-c")]
    return after + [word.partition("=")[2] for word in argv if word.startswith("--config=")]
