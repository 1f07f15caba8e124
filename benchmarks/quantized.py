"""One crop through RTMPose-t, side by side: float and int8, PyTorch and onnxruntime.

    python benchmarks/quantized.py --threads 1 2

A network of ElifPose is quantized by prepare, calibrate and convert, and written as ONNX. What somebody would take
instead is onnxruntime's own static quantization of the float file, from the same calibration images. Weights and
images are random: the figures are of speed alone, but the norms' statistics fit the images, so that ranges are as
wide as in a network of use. All take turns in one process, so that the machine's mood hits them alike; only the
ratios mean anything. ORT is onnxruntime; onnx, onnxscript and it are needed.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.table import Table
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, Precision
from elifpose.export.onnx import write_onnx
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.models.layers import Activation
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare

SIZE, KEYPOINTS = (192, 256), 26
CONTRACT = Contract(SIZE, 2.0, "simcc", normalised=False, channels="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)
TURN = 6  # calls
PLAIN, FLOAT, OURS, STATIC = "PyTorch float32", "ORT float32", "ORT int8, ElifPose", "ORT int8, static"
COUNTED = {
    "QLinearConv": "QConv",
    "Conv": "Conv",
    "QLinearMatMul": "QMatMul",
    "QLinearAdd": "QAdd",
    "QLinearMul": "QMul",
    "Mul": "Mul",
    "QuantizeLinear": "Q",
    "DequantizeLinear": "DQ",
}
"""Kinds of nodes, with their headings."""
Run = Callable[[], object]


class Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """The calibration images, one by one."""

    def __init__(self, images: npt.NDArray[np.float32]) -> None:
        self._left: Iterator[npt.NDArray[np.float32]] = iter(np.split(images, len(images)))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """The next input, or None after the last."""
        image = next(self._left, None)
        return None if image is None else {"images": image}


def build_network(activation: Activation, images: Tensor) -> PoseEstimator:
    """RTMPose-t with random weights, whose norms have the statistics of the images."""
    torch.manual_seed(0)
    backbone = CSPNeXt(0.167, 0.375, activation)
    network = PoseEstimator(backbone, RTMCCHead(384, KEYPOINTS, SIZE, activation=activation))
    with torch.no_grad():
        for _ in range(30):
            network(images)
    return network.eval()


def write(network: PoseEstimator, path: Path, precision: Precision) -> None:
    """One network as ONNX, which takes float images from 0 to 255 and gives logits."""
    write_onnx(network, path, CONTRACT, precision, SimCC(SIZE), None, {})


def write_files(
    network: PoseEstimator, images: Tensor, float_layers: tuple[str, ...], folder: Path
) -> dict[str, Path]:
    """Float and both int8 networks as ONNX files."""
    files = {name: folder / f"{position}.onnx" for position, name in enumerate((FLOAT, OURS, STATIC))}
    write(network, files[FLOAT], "float32")
    plain = folder / "preprocessed.onnx"
    quant_pre_process(files[FLOAT], plain, skip_symbolic_shape=True)
    quantize_static(
        plain,
        files[STATIC],
        Images(images.float().numpy()),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepare(network, QuantizationSpec(float_layers=float_layers))
    calibrate(network, [images])
    write(cast("PoseEstimator", convert(network)), files[OURS], "int8")
    return files


def session(path: Path, threads: int, optimised: Path | None = None) -> onnxruntime.InferenceSession:
    """A session of the file on the CPU, which may write the graph that it runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def nodes(path: Path) -> Counter[str]:
    """How many nodes of each kind onnxruntime runs of a file; a convolution with its activation is a ``Conv``."""
    optimised = path.with_suffix(".optimised")
    session(path, 1, optimised)
    return Counter(node.op_type.replace("FusedConv", "Conv") for node in onnx.load(optimised).graph.node)


def measure(runs: dict[str, Run], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each run, a few calls in turn, again and again.

    The first call of a turn does not count: another's threads may still be spinning, and the caches are another's.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(1 + -(-repeats // (TURN - 1))):
        for name, run in runs.items():
            for call in range(TURN):
                start = time.perf_counter()
                run()
                if turn and call:
                    milliseconds[name].append(1000 * (time.perf_counter() - start))
    return milliseconds


def torch_run(network: PoseEstimator, image: Tensor) -> Run:
    """Runs the network in PyTorch."""

    def run() -> None:
        with torch.inference_mode():
            network(image)

    return run


def onnx_run(path: Path, threads: int, image: Tensor) -> Run:
    """Runs a file in onnxruntime."""
    of_file, inputs = session(path, threads), {"images": image.numpy()}
    return lambda: of_file.run(None, inputs)


def speed_table(title: str, milliseconds: dict[str, list[float]]) -> Table:
    """Times, and how many times as fast as onnxruntime in float each is."""
    table = Table(title=title)
    table.add_column("network")
    for column in ("min ms", "median ms", "ratio of min", "ratio of median"):
        table.add_column(column, justify="right")
    least = {name: min(values) for name, values in milliseconds.items()}
    median = {name: statistics.median(values) for name, values in milliseconds.items()}
    for name in milliseconds:
        ratios = (f"{of[FLOAT] / of[name]:.2f}" for of in (least, median))
        table.add_row(name, f"{least[name]:.2f}", f"{median[name]:.2f}", *ratios)
    return table


def node_table(title: str, counts: dict[str, Counter[str]]) -> Table:
    """What the optimised graphs consist of."""
    table = Table(title=title)
    table.add_column("nodes")
    for heading in COUNTED.values():
        table.add_column(heading, justify="right")
    for file, count in counts.items():
        table.add_row(file, *(str(count[name]) for name in COUNTED))
    return table


def compare(activation: Activation, folder: Path, options: argparse.Namespace, console: Console) -> None:
    """Measure the networks of one activation function, and print what they consist of and take."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (16, 3, SIZE[1], SIZE[0]), dtype=torch.uint8, generator=generator)
    files = write_files(build_network(activation, images), images, tuple(options.float_layers), folder)
    title = f"RTMPose-t, {activation}"
    console.print(node_table(title, {name: nodes(path) for name, path in files.items()}))
    plain, image = build_network(activation, images), images[:1].float()
    for threads in options.threads:
        torch.set_num_threads(threads)
        runs = {PLAIN: torch_run(plain, image)}
        runs |= {name: onnx_run(path, threads, image) for name, path in files.items()}
        told = f"{title}, one person of {SIZE[0]} × {SIZE[1]}, {threads} thread(s)"
        console.print(speed_table(told, measure(runs, options.repeats)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activations", nargs="+", default=["ReLU", "SiLU"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=150)
    parser.add_argument("--float-layers", nargs="*", default=[], help="patterns of layers that ElifPose keeps float")
    parser.add_argument("--keep", type=Path, help="a folder in which the ONNX files stay")
    options = parser.parse_args()
    for activation in options.activations:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)) / activation
            folder.mkdir(parents=True, exist_ok=True)
            compare(activation, folder, options, Console())


if __name__ == "__main__":
    main()
