"""One training step with fake quantization against the float step, side by side, for each kind of observer.

    python benchmarks/fake_quant_step.py --batch-size 32 --threads 1

The network and its step are those that ElifPose runs: channels-last memory, the loss from coordinates, AdamW; float32
or, with --bfloat16, under autocast. All variants take turns in one process, so that the machine's mood hits them
alike; only the ratios mean anything.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.evaluation.losses import SimCCLoss
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.models.layers import Activation
from elifpose.quantization import QuantizationSpec, calibrate, prepare, set_observing
from elifpose.quantization.spec import Observer

KEYPOINTS = 26
VARIANTS: dict[str, tuple[Observer | None, bool]] = {
    "float": (None, False),
    "minmax": ("minmax", True),
    "minmax, ranges fixed": ("minmax", False),
    "percentile": ("percentile", True),
    "learned": ("learned", True),
}
Step = Callable[[], None]


def build_step(
    activation: Activation,
    images: Tensor,
    keypoints: Tensor,
    codec: SimCC,
    observer: Observer | None,
    observing: bool,
    bfloat16: bool,
) -> Step:
    """A function that runs forward, loss, backward and the optimizer once."""
    torch.manual_seed(0)
    head = RTMCCHead(384, KEYPOINTS, codec.input_size, activation=activation)
    network = PoseEstimator(CSPNeXt(0.167, 0.375, activation), head)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    if observer is not None:
        prepare(network, QuantizationSpec(observer=observer))
        calibrate(network, [images])
        set_observing(network, observing)
    optimizer, loss_of = torch.optim.AdamW(network.parameters(), lr=1e-4), SimCCLoss(codec)
    weights = torch.ones(keypoints.shape[:2])

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            loss = loss_of(*network(images), keypoints, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activation", default="ReLU")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--input-size", type=int, nargs=2, default=(192, 256), metavar=("W", "H"))
    parser.add_argument("--bfloat16", action="store_true", help="under autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = options.input_size
    codec, generator = SimCC((width, height)), torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (options.batch_size, 3, height, width), dtype=torch.uint8, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    span = torch.tensor([width, height], dtype=torch.float32)
    keypoints = torch.rand((options.batch_size, KEYPOINTS, 2), generator=generator) * span
    steps = {
        name: build_step(options.activation, images, keypoints, codec, observer, observing, options.bfloat16)
        for name, (observer, observing) in VARIANTS.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(options.repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    precision = "bfloat16 autocast" if options.bfloat16 else "float32"
    table = Table(
        title=f"RTMPose-t, {options.activation}, batch {options.batch_size} of {width} × {height}, {precision},"
        f" {options.threads} thread(s)"
    )
    for column in ("training step", "median s", "to float: median", "minimum"):
        table.add_column(column, justify="left" if column == "training step" else "right")
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        of_minimum = min(values) / min(seconds["float"])
        table.add_row(name, f"{median[name]:.3f}", f"{median[name] / median['float']:.2f}", f"{of_minimum:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
