"""Measures what the tables in `README.md` and `docs/benchmarks.md` say, and writes them.

    make benchmark
    python benchmarks/run_all.py --parts loader oks

Each part is one script of this folder, run by itself, one after the other. After each, the tables are written as a
whole: what this run has not measured says so, and no older figure stays. What was found is also written as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from measured import BEGIN, END, Part, Run, block, document, has_place, machine, replaced, versions
from rows import read_rows

ROOT = Path(__file__).parents[1]
NETWORK = "data/benchmark/start.ckpt"
"""What `quickstart.py` leaves."""
PARTS: dict[str, tuple[str, ...]] = {
    "loader": (),
    "train_step": (),
    "oks": ("--detections", "11000", "99000"),
    "latency": ("--threads", "1"),
    "start": (),
    "annotations": (),
    "quickstart": (),
    "closed_loop": ("--yaw", "0", "20"),
}


def parts(options: argparse.Namespace) -> list[Part]:
    """All parts, with the options that they are run with."""
    further: dict[str, list[str]] = {}
    if options.annotations is not None:
        further["loader"] = ["--annotations", str(options.annotations), "--images", str(options.images)]
    if options.networks is not None:
        further["quickstart"] = ["--networks", *map(str, options.networks)]
    if "quickstart" in options.parts:
        further["closed_loop"] = ["--model", NETWORK]
    return [
        Part(name, ["python", f"benchmarks/{name}.py", *arguments, *further.get(name, [])])
        for name, arguments in PARTS.items()
    ]


def measured(part: Part) -> Part:
    """Run a part; without rows if it fails."""
    print(f"\n== {part.name}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.json")
        command = [sys.executable, *part.command[1:], "--rows", str(rows)]
        failed = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603
        if failed:
            print(f"{part.name} failed and is not measured", file=sys.stderr)
            return part
        return part._replace(minutes=round((time.perf_counter() - start) / 60, 2), rows=read_rows(rows))


def write(run: Run, out: Path, into: Sequence[Path]) -> None:
    """The JSON, and the tables."""
    out.write_text(json.dumps(document(run), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in into:
        path.write_text(replaced(path.read_text(encoding="utf-8"), block(run)), encoding="utf-8")


def parse() -> argparse.Namespace:
    """What was typed, checked before anything is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="all if not given")
    parser.add_argument("--annotations", type=Path, help="COCO-style JSON of 17 keypoints for the loader")
    parser.add_argument("--images", type=Path, help="its folder; rendered people if not given")
    parser.add_argument(
        "--networks",
        type=Path,
        nargs=3,
        metavar=("START", "FLOAT", "INT8"),
        help="checkpoints that the quickstart part is to judge instead of training its own",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks.json")
    parser.add_argument(
        "--into",
        type=Path,
        nargs="*",
        metavar="FILE",
        default=[ROOT / "README.md", ROOT / "docs/benchmarks.md"],
        help="Markdown files with a place for the table; README.md and docs/benchmarks.md if not given",
    )
    options = parser.parse_args()
    if (options.annotations is None) != (options.images is None):
        parser.error("give both --annotations and --images, or neither")
    for path in options.into:
        if not has_place(path.read_text(encoding="utf-8")):
            parser.error(f"{path} must have the lines {BEGIN} and {END} once each, in this order")
    for name in ("annotations", "images", "out"):
        value = getattr(options, name)
        setattr(options, name, None if value is None else value.resolve())
    options.networks = options.networks and [path.resolve() for path in options.networks]
    return options


def main() -> int:
    """Measure and write; 1 if a part failed."""
    options = parse()
    start, date = time.perf_counter(), f"{datetime.now(UTC):%Y-%m-%d}"
    told, found = machine(len(os.sched_getaffinity(0)), os.getloadavg()[0]), parts(options)
    for position, part in enumerate(found):
        if part.name in options.parts:
            found[position] = measured(part)
        minutes = round((time.perf_counter() - start) / 60, 1)
        write(Run(date, minutes, told, versions(), found), options.out, options.into)
    return int(any(part.rows is None for part in found if part.name in options.parts))


if __name__ == "__main__":
    sys.exit(main())
