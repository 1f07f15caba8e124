"""Whether an exported file does what its network does, told as a table; an error if it does not."""

import copy
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.export.average_precision import average_precision
from elifpose.export.golden import write_golden
from elifpose.export.layers import compare_layers
from elifpose.export.onnx_runner import OnnxRunner, operations
from elifpose.export.parity import BOUNDS, Bound, Difference, check, compare
from elifpose.export.people import rendered_people
from elifpose.export.request import Request
from elifpose.export.running import NetworkRunner, Runner
from elifpose.export.source import Source
from elifpose.models import PoseEstimator
from elifpose.quantization import is_prepared, set_quantizing
from elifpose.utils.errors import ElifPoseError

LARGEST_AP_LOSS = 0.005
_CALLS, _SHOWN, _RENDERED = 30, 6, 16


def judge(
    network: PoseEstimator,
    source: Source,
    request: Request,
    crops: Callable[[], Iterable[Tensor]],
    data: PoseDataModule | None = None,
    bound_px: float | None = None,
) -> None:
    """Run the file beside the network, print what comes out, and write a golden vector.

    Args:
        network: What the file was written from.
        source: The checkpoint that the network is of.
        request: The file.
        crops: Makes the crops to run, batches ``(N, 3, H, W)`` uint8 RGB, the same each time.
        data: Sets to measure AP on; none if None.
        bound_px: Allowed distance of keypoints in place of `BOUNDS`: of int8 the mean, of others the largest.

    Raises:
        ElifPoseError: The file is too far from the network; it names the worst layer of an ONNX file.
    """
    runner, reference = open_file(request), NetworkRunner(network, source.codec)
    bound = _bound(request, bound_px)
    difference = compare(reference, runner, crops(), bound.tie, source.calibration)
    first = next(iter(crops()))[:1]
    table = Table("", "", title=f"{request.out.name} against its network in PyTorch", show_header=False)
    for name, value in (
        *_size_rows(request),
        *_difference_rows(difference, bound),
        *_latency_rows(runner, reference, first),
    ):
        table.add_row(name, value)
    losses = _add_precisions(table, runner, source, data) if data is not None else []
    console = Console()
    console.print(table)
    try:
        check(difference, bound)
    except ElifPoseError as error:
        raise ElifPoseError(f"{error}{_worst_layer(network, request, first)}; do not use {request.out}") from error
    if losses and max(losses) > LARGEST_AP_LOSS:
        raise ElifPoseError(
            f"{request.out} loses {max(losses):.4f} AP against the network, allowed are {LARGEST_AP_LOSS}; train it"
            " quantized (configs/qat.yaml), or keep layers at 16 bits (elifpose validate --sensitivity)"
        )
    written = _write_golden(runner, request, source)
    if request.format == "coreml":
        console.print(_core_ml_note(), soft_wrap=True)
    console.print(f"Golden vector: {', '.join(map(str, written))}", soft_wrap=True)


def open_file(request: Request) -> Runner:
    """What runs the file; of Core ML, an interpreter of its program."""
    if request.format == "onnx":
        return OnnxRunner(request.out)
    from elifpose.export.mil_runner import MilRunner

    return MilRunner(request.out)


def _core_ml_note() -> str:
    from elifpose.export.mil_runner import WHAT_IS_CHECKED

    return WHAT_IS_CHECKED


def latency_ms(runner: Runner, crop: Tensor) -> float:
    """Median time of an answer for one crop ``(1, 3, H, W)``, milliseconds."""
    runner(crop)
    times = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        runner(crop)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _bound(request: Request, bound_px: float | None) -> Bound:
    bound = BOUNDS[request.precision]
    if bound_px is None:
        return bound
    return bound._replace(max_px=bound_px) if request.precision == "float32" else bound._replace(mean_px=bound_px)


def _write_golden(runner: Runner, request: Request, source: Source) -> list[Path]:
    """Of the rendered person that the network is surest of: such a crop may be shown to anybody."""
    (crops,) = rendered_people(_RENDERED, request.contract.input_size)
    surest = int(runner(crops).scores.mean(dim=1).argmax())
    crop = crops[surest : surest + 1]
    return write_golden(request.out.with_suffix(""), crop[0], runner(crop), source.skeleton, request.out)


def _size_rows(request: Request) -> list[tuple[str, str]]:
    rows = [("size", f"{_bytes(request.out) / 1e6:.2f} MB, {request.precision}")]
    if request.format == "onnx":
        counted = operations(request.out).most_common()
        shown = ", ".join(f"{count} {name}" for name, count in counted[:_SHOWN])
        rows.append(("operations", f"{sum(count for _, count in counted)} as onnxruntime runs it: {shown}, …"))
    return rows


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _difference_rows(difference: Difference, bound: Bound) -> list[tuple[str, str]]:
    rows = [
        ("people, keypoints", f"{difference.people}, {difference.keypoints}"),
        (
            "undecided keypoints",
            f"{difference.ties}: another peak at a distance of {bound.tie.apart} or more bins, within "
            f"{bound.tie.below:g} of the range",
        ),
        ("the others, mean", f"{difference.mean_px:.4f} px"),
        ("the others, largest", f"{difference.max_px:.4f} px"),
        ("all, mean", f"{difference.mean_of_all_px:.4f} px"),
        ("all, 99 % within", f"{difference.percentile_99_px:.4f} px"),
        ("scores, mean and largest", f"{difference.mean_score:.2g}, {difference.max_score:.2g}"),
    ]
    if difference.logits is not None:
        rows.append(("logits, largest by range", f"{difference.logits:.2g}"))
    return rows


def _latency_rows(runner: Runner, reference: Runner, crop: Tensor) -> list[tuple[str, str]]:
    if not isinstance(runner, OnnxRunner):
        return []
    single = OnnxRunner(runner.path, threads=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = latency_ms(single, crop), latency_ms(reference, crop)
    finally:
        torch.set_num_threads(threads)
    return [("one crop, one thread", f"{times[0]:.1f} ms by onnxruntime, {times[1]:.1f} ms by PyTorch")]


def _add_precisions(table: Table, runner: Runner, source: Source, data: PoseDataModule) -> list[float]:
    """Rows of the AP of both, without flip test; what each set loses."""
    floating = copy.deepcopy(source.network)
    if is_prepared(floating):
        set_quantizing(floating, False)
    reference, exported = (
        average_precision(of_both, data, source.skeleton, source.calibration)
        for of_both in (NetworkRunner(floating, source.codec), runner)
    )
    for name, figure in exported.items():
        table.add_row(f"AP, {name}", f"{figure:.4f}, of the float network {reference[name]:.4f}; without flip test")
    return [reference[name] - figure for name, figure in exported.items()]


def _worst_layer(network: PoseEstimator, request: Request, crop: Tensor) -> str:
    if request.format != "onnx":
        return ""
    (worst, *_) = compare_layers(network, request.out, crop)
    return f"; the worst layer is {worst.name}, {worst.signal_to_noise:.0f} dB"
