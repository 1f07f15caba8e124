"""One person, one call: what an exported file takes in onnxruntime, beside PyTorch, and what it answers.

    python benchmarks/latency.py --threads 1 2
    python benchmarks/latency.py --ckpt_path best.ckpt

Without a checkpoint the networks are RTMPose-t of random weights, with ReLU and with SiLU: their figures are of speed
alone. Int8 is calibrated on rendered people unless the checkpoint was trained quantized. All take turns in one
process, so that the machine's mood hits them alike; only the ratios mean anything. onnx, onnxscript and onnxruntime
are needed.
"""

import argparse
import copy
import statistics
import tempfile
from pathlib import Path

import torch
from quantized import Run, build_network, measure, speed_table
from rich.console import Console
from rich.table import Table
from rows import Row, add_option, write_rows
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, Precision
from elifpose.export.onnx import write_onnx
from elifpose.export.onnx_runner import OnnxRunner
from elifpose.export.parity import BOUNDS, Difference, compare
from elifpose.export.people import rendered_people
from elifpose.export.quantize import network_of
from elifpose.export.running import NetworkRunner, Runner
from elifpose.export.source import Source, load_source
from elifpose.quantization import is_prepared
from elifpose.structures.skeletons import HALPE26

PYTORCH, FLOAT, INT8 = "PyTorch float32", "ORT float32", "ORT int8"
FILES: dict[str, Precision] = {FLOAT: "float32", INT8: "int8"}


def random_source(activation: str) -> Source:
    """RTMPose-t of random weights, as if it had been read."""
    images = torch.cat(list(rendered_people(16, (192, 256))))
    network = build_network("ReLU" if activation == "ReLU" else "SiLU", images)
    return Source(Path(activation), network, HALPE26, SimCC((192, 256)), None, "", {})


def write_files(source: Source, folder: Path) -> tuple[dict[str, Path], dict[str, Difference]]:
    """The network as a file of each precision, and how far each is from what it was written of."""
    size = source.codec.input_size
    contract = Contract(size, source.codec.split_ratio, "simcc", False, "RGB", (0.0,) * 3, (1.0,) * 3)
    files, differences = {}, {}
    for name, precision in FILES.items():
        copied = source._replace(network=copy.deepcopy(source.network))
        crops = rendered_people(64, size) if precision == "int8" and not is_prepared(source.network) else None
        network = network_of(copied, precision, crops)
        files[name] = folder / f"{precision}.onnx"
        write_onnx(network, files[name], contract, precision, source.codec, None, {"codec": source.codec.arguments()})
        reference, runner = NetworkRunner(network, source.codec), OnnxRunner(files[name])
        differences[name] = compare(reference, runner, rendered_people(64, size), BOUNDS[precision].tie)
    return files, differences


def of_one(runner: Runner, image: Tensor) -> Run:
    """Answers for one crop ``(1, 3, H, W)``, decoding included."""
    return lambda: runner(image)


def parity_table(title: str, files: dict[str, Path], differences: dict[str, Difference]) -> Table:
    """Size of each file, and its distance from its own network in PyTorch."""
    table = Table(title=f"{title}: file against the same network in PyTorch, 64 rendered people")
    table.add_column("file")
    for column in ("MB", "decided keypoints", "mean px", "largest px", "all, mean px"):
        table.add_column(column, justify="right")
    for name, of in differences.items():
        figures = (f"{of.mean_px:.4f}", f"{of.max_px:.3f}", f"{of.mean_of_all_px:.4f}")
        table.add_row(
            name, f"{files[name].stat().st_size / 1e6:.2f}", f"{of.keypoints - of.ties} / {of.keypoints}", *figures
        )
    return table


def rows(title: str, milliseconds: dict[str, list[float]]) -> list[Row]:
    """The least times of a call and their ratios; medians' behind them, since another's work moves those."""
    least = {name: min(values) for name, values in milliseconds.items()}
    median = {name: statistics.median(values) for name, values in milliseconds.items()}
    ratios = {name: (least[FLOAT] / least[name], median[FLOAT] / median[name]) for name in milliseconds}
    against = f"onnxruntime float32, {least[FLOAT]:.2f} ms"
    return [
        Row(f"{title}: {told}", f"{of[0]:.2f} × (medians {of[1]:.2f}), {least[name]:.2f} ms", against)
        for name, told in ((INT8, "onnxruntime int8"), (PYTORCH, PYTORCH))
        for of in [ratios[name]]
    ]


def run(source: Source, options: argparse.Namespace, console: Console) -> list[Row]:
    """Measure one network and print."""
    found: list[Row] = []
    (images,) = rendered_people(1, source.codec.input_size)
    floating = network_of(source._replace(network=copy.deepcopy(source.network)), "float32", None)
    with tempfile.TemporaryDirectory() as folder:
        files, differences = write_files(source, Path(folder))
        console.print(parity_table(source.path.name, files, differences))
        for threads in options.threads:
            torch.set_num_threads(threads)
            runs = {PYTORCH: of_one(NetworkRunner(floating, source.codec), images)}
            runs |= {name: of_one(OnnxRunner(path, threads), images) for name, path in files.items()}
            milliseconds = measure(runs, options.repeats)
            console.print(speed_table(f"{source.path.name}, one person, threads: {threads}", milliseconds))
            found += rows(f"latency of a person, {source.path.name}, threads: {threads}", milliseconds)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", help="what `elifpose export` takes; float, or trained quantized")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=150)
    add_option(parser)
    options = parser.parse_args()
    sources = map(load_source, [options.ckpt_path]) if options.ckpt_path else map(random_source, ("ReLU", "SiLU"))
    write_rows(options.rows, [row for source in sources for row in run(source, options, Console())])


if __name__ == "__main__":
    main()
