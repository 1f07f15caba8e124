"""What can be typed. Nothing heavy is imported before it is known what was typed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from elifpose import __version__
from elifpose.utils.errors import ElifPoseError, user_message

if TYPE_CHECKING:
    from elifpose.datasets.datamodule import PoseDataModule
    from elifpose.training.module import ElifPoseModule

HELP = f"""\
ElifPose {__version__}: train, validate and apply a small top-down pose network.

usage: elifpose COMMAND [OPTIONS]

  fit        train, validating as it goes      elifpose fit --config configs/quickstart.yaml
  validate   measure a checkpoint              elifpose validate --config … --ckpt_path …
  test       the same on the test sets         elifpose test --config … --ckpt_path …
  predict    write keypoints as JSON and CSV   elifpose predict --config … --ckpt_path …
  export     write a checked ONNX file, …      elifpose export --ckpt_path … --out pose.onnx
  analyze    joint angles of a video           elifpose analyze walk.mp4 --model pose.onnx --out results
  data       make and check data sets          elifpose data verify --config …; elifpose data --help

`elifpose COMMAND --help` lists a command's options; every option can also stand in the YAML of --config.
`elifpose fit --config … --print_config` shows all of them as they would be used.
"""


def main(argv: Sequence[str]) -> int:
    """Run ``argv``, without the program's name.

    Returns:
        0 if all went well, 1 if the user has to mend something, 130 after Ctrl-C.
    """
    command, *options = argv or ["--help"]
    if command in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    if command == "--version":
        sys.stdout.write(f"elifpose {__version__}\n")
        return 0
    try:
        if command == "analyze":
            from elifpose.inference import command as analyze_command

            return analyze_command.run(options)
        if command == "export":
            from elifpose.export import command as export_command

            return export_command.run(options, lambda of_fit: build(of_fit)[1])
        if command == "data":
            from elifpose.datasets import command as data_command

            return data_command.run(options, lambda of_fit: build(of_fit)[1])
        if command in ("fit", "validate", "test", "predict"):
            from elifpose.training.command import ElifPoseCLI

            ElifPoseCLI.run_command([command, *options])
        else:
            raise ElifPoseError(f"there is no command {command!r}; `elifpose --help` lists them")
    except KeyboardInterrupt:
        sys.stderr.write("elifpose: stopped\n")
        return 130
    except Exception as error:
        message = user_message(error)
        if message is None:
            raise
        sys.stderr.write(f"elifpose: error: {message}\n")
        return 1
    return 0


def build(argv: Sequence[str]) -> "tuple[ElifPoseModule, PoseDataModule]":
    """The module and the data module that ``elifpose fit`` with these options would train, not yet set up.

    Args:
        argv: Options of ``fit``, with or without the word itself.
    """
    from elifpose.training.command import ElifPoseCLI

    options = argv[1:] if argv and argv[0] == "fit" else argv
    return ElifPoseCLI.build(list(options))


def entry_point() -> None:
    """The installed command."""
    sys.exit(main(sys.argv[1:]))
