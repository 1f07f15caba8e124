"""How long the command line takes to answer, beside a Python that does nothing.

    python benchmarks/start.py

Both are started in turns, each time as a new process; medians of wall time and of CPU time.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from rows import Row, add_option, write_rows

COMMANDS = {
    "python": ["-c", "pass"],
    "elifpose --help": ["-m", "elifpose", "--help"],
    "elifpose fit --help": ["-m", "elifpose", "fit", "--help"],
}


def spent(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of wall and of CPU time that a Python took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="starts of each; the median counts (default 5)")
    add_option(parser)
    options = parser.parse_args()
    rounds = [{name: spent(command) for name, command in COMMANDS.items()} for _ in range(options.repeats)]
    medians = {
        name: tuple(statistics.median(values) for values in zip(*(each[name] for each in rounds), strict=True))
        for name in COMMANDS
    }
    print(f"{'':24}{'wall, ms':>10}{'CPU, ms':>10}")
    for name, (wall, cpu) in medians.items():
        print(f"{name:24}{1000 * wall:10.0f}{1000 * cpu:10.0f}")
    told = {name: f"{wall:.2f} s, {cpu:.2f} s CPU" for name, (wall, cpu) in medians.items()}
    against = f"a Python that does nothing: {told.pop('python')}"
    write_rows(options.rows, [Row(f"start of `{name}`", figure, against) for name, figure in told.items()])


if __name__ == "__main__":
    main()
