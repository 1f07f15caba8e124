"""What the quickstart's network reaches, in float and in int8, on rendered people that nothing was chosen on.

    python benchmarks/quickstart.py
    python benchmarks/quickstart.py --networks start.ckpt float.ckpt int8.ckpt

Trains `configs/quickstart.yaml`, and from its last checkpoint twice more as `configs/qat.yaml` has it, without and
with quantization; exports the quantized network, and validates all three, the last as the exported file, in float32
on one process. With ``--networks`` these checkpoints are judged, and nothing is trained. Networks and people stay in
``--folder``, for other benchmarks. Runs from the repository's root; the people of `make quickstart` are used if they
are there.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rows import Row, add_option, write_rows

CONFIG, QAT = "--config=configs/quickstart.yaml", "--config=configs/qat.yaml"
# as configs/qat.yaml has it, but for the callback
FLOAT = ("--trainer.callbacks=null", "--checkpoint.monitor=val/AP", "--checkpoint.filename=best")
NETWORKS = ("start", "float", "int8")


def elifpose(*arguments: str) -> float:
    """Run the command line; the minutes that it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "elifpose", *arguments], check=True)  # noqa: S603
    return (time.perf_counter() - start) / 60


def emptied(folder: Path) -> Path:
    """A folder without what an earlier run left."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def fit(folder: Path, name: str, options: list[str]) -> float:
    """Train a network, and keep its last checkpoint as ``NAME.ckpt``; the minutes that it took."""
    root = emptied(folder / name)
    minutes = elifpose("fit", CONFIG, *options, f"--trainer.default_root_dir={root}")
    (last,) = root.rglob("last.ckpt")
    shutil.copyfile(last, folder / f"{name}.ckpt")
    return minutes


def train(folder: Path, options: list[str]) -> Row:
    """Train all three networks."""
    elifpose("data", "synthesize", "--root=data/synthetic", "--workers=2")
    minutes = fit(folder, "start", options)
    further = [QAT, f"--model.init_from={folder / 'start.ckpt'}"]
    fit(folder, "float", [*further, *FLOAT, *options])
    fit(folder, "int8", [*further, *options])
    return Row("training of the quickstart's network", f"{minutes:.1f} min", "")


def average_precision(folder: Path, network: Path, people: Path) -> tuple[float, str]:
    """AP, and as a figure with its 95 % interval."""
    root = emptied(folder / "validation")
    one = ("--trainer.precision=32-true", "--trainer.devices=1", "--trainer.strategy=auto")
    told = (f"--ckpt_path={network}", f"--data.root={people}", f"--trainer.default_root_dir={root}")
    elifpose("validate", CONFIG, *told, *one)
    (written,) = root.rglob("metrics.json")
    (of_set,) = json.loads(written.read_text())["sets"].values()
    found, interval = of_set["figures"]["AP"], of_set["AP_interval"]
    return found, f"{found:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def judge(folder: Path, number: int) -> list[Row]:
    """Export the quantized network, and validate all three on people of their own."""
    people, integer = folder / "people", folder / "pose-int8.onnx"
    elifpose("data", "synthesize", f"--root={people}", "--train=1", f"--val={number}", "--seed=1", "--workers=2")
    elifpose("export", f"--ckpt_path={folder / 'int8.ckpt'}", f"--out={integer}")
    networks = (folder / "start.ckpt", folder / "float.ckpt", integer)
    (_, start), (of_float, floating), (of_int8, quantized) = (
        average_precision(folder, network, people) for network in networks
    )
    truth = f"{number:,} rendered people of another seed"
    return [
        Row("AP of the quickstart's network, float", start, truth),
        Row("AP after three more epochs, float", floating, truth),
        Row("AP after three more epochs, int8 ONNX file", quantized, f"the float one: {of_int8 - of_float:+.3f}"),
    ]


def main() -> None:
    """Train if need be, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, nargs=3, metavar=("START", "FLOAT", "INT8"), help="checkpoints")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"), help="(default data/benchmark)")
    parser.add_argument("--people", type=int, default=1000, help="to be judged on (default 1000)")
    told = "a further option of the fits, as in --fit=--trainer.devices=1"
    parser.add_argument("--fit", action="append", default=[], metavar="OPTION", help=told)
    add_option(parser)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = [options.folder / f"{name}.ckpt" for name in NETWORKS]
    rows = []
    if options.networks is None:
        for network in kept:
            network.unlink(missing_ok=True)
        rows.append(train(options.folder, options.fit))
    else:
        for network, path in zip(options.networks, kept, strict=True):
            path.write_bytes(network.read_bytes())
    rows += judge(options.folder, options.people)
    for row in rows:
        print(*row, sep="  ")
    write_rows(options.rows, rows)


if __name__ == "__main__":
    main()
