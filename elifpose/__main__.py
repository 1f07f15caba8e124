"""``python -m elifpose`` is the same as ``elifpose``."""

import sys

from elifpose.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
