"""One training step, side by side: how the network is usually run, and how ElifPose runs it.

    python benchmarks/train_step.py --batch-size 32 --threads 1

The plain reference is the same network in float32 and PyTorch's default memory order with dense SimCC targets built
for every batch, as a port of the published code would do it. All variants take turns in one process, so that the
machine's mood hits them alike; only the ratios mean anything.
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
from elifpose.evaluation.losses import KLDiscretLoss, SimCCLoss
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead

KEYPOINTS = 26
Step = Callable[[], None]


def build_step(
    codec: SimCC, images: Tensor, keypoints: Tensor, *, fast: bool, channels_last: bool, bfloat16: bool
) -> Step:
    """A function that runs forward, loss, backward and the optimizer once."""
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.375), RTMCCHead(384, KEYPOINTS, codec.input_size))
    if channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    weights = torch.ones(keypoints.shape[:2])
    from_coordinates, from_targets = SimCCLoss(codec), KLDiscretLoss()

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            simcc_x, simcc_y = network(images)
            if fast:
                loss = from_coordinates(simcc_x, simcc_y, keypoints, weights)
            else:
                loss = from_targets(simcc_x, simcc_y, codec.encode(keypoints, weights))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--input-size", type=int, nargs=2, default=(192, 256), metavar=("W", "H"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = options.input_size
    codec = SimCC((width, height))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (options.batch_size, 3, height, width), dtype=torch.uint8, generator=generator)
    span = torch.tensor([width, height], dtype=torch.float32)
    keypoints = torch.rand((options.batch_size, KEYPOINTS, 2), generator=generator) * span
    variants = {
        "plain: float32, NCHW, dense targets": (False, False, False),
        "loss from coordinates": (True, False, False),
        "  + channels last": (True, True, False),
        "  + bfloat16 autocast": (True, True, True),
    }
    steps = {
        name: build_step(codec, images, keypoints, fast=fast, channels_last=last, bfloat16=half)
        for name, (fast, last, half) in variants.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(options.repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    plain = next(iter(medians.values()))
    table = Table(title=f"RTMPose-t, batch {options.batch_size} of {width} × {height}, {options.threads} thread(s)")
    for column in ("training step", "people/s", "ratio"):
        table.add_column(column, justify="left" if column == "training step" else "right")
    for name, median in medians.items():
        table.add_row(name, f"{options.batch_size / median:.1f}", f"{plain / median:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
