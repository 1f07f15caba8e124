"""``elifpose data``: commands that make data sets, and that look at those of a configuration."""

import argparse
from collections.abc import Callable, Sequence
from types import ModuleType

from elifpose.datasets.crops import command as cache
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.show import command as show
from elifpose.datasets.statistics import command as stats
from elifpose.datasets.synthetic import command as synthesize
from elifpose.datasets.synthetic import motion_command as synthesize_motion
from elifpose.datasets.verification import command as verify
from elifpose.utils.errors import ElifPoseError

_RENDERING = {"synthesize": synthesize, "synthesize-motion": synthesize_motion}
_CONFIGURED = {"verify": verify, "stats": stats, "show": show, "cache": cache}


def run(argv: Sequence[str], build: Callable[[Sequence[str]], PoseDataModule]) -> int:
    """Run ``argv``, the words after ``elifpose data``; prints help and leaves with status 2 where they do not fit.

    Args:
        argv: The command and its options; those that it does not know itself are options of ``fit``.
        build: Makes the data module of options of ``fit``, not set up.

    Returns:
        What the process exits with: 1 where there is something to mend.
    """
    parser = argparse.ArgumentParser(
        prog="elifpose data", description="Make data sets, and look at those of a configuration.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in (_RENDERING | _CONFIGURED).items():
        _add(commands, name, module)
    arguments, of_fit = parser.parse_known_args(argv)
    if arguments.command in _RENDERING:
        if of_fit:
            parser.error(f"unrecognized arguments: {' '.join(of_fit)}")
        _RENDERING[arguments.command].run(arguments)
        return 0
    if not any(word.partition("=")[0] in ("-c", "--config") for word in of_fit):
        raise ElifPoseError(f"`elifpose data {arguments.command}` needs a configuration: give --config FILE")
    status: int = _CONFIGURED[arguments.command].run(arguments, build(of_fit))
    return status


def _add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: ModuleType) -> None:
    summary, description = module.SUMMARY, module.DESCRIPTION
    module.add_arguments(
        commands.add_parser(
            name,
            help=summary,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
    )
