"""``python -m elifpose.datasets.synthetic``: render a data set of people."""

import argparse
import sys

from elifpose.datasets.synthetic.command import add_arguments, run
from elifpose.utils.errors import ElifPoseError


def main() -> int:
    """Parse the command line and render; 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m elifpose.datasets.synthetic", description=__doc__)
    add_arguments(parser)
    try:
        paths = run(parser.parse_args())
    except ElifPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
