"""One training step, side by side: how the network is usually run, and how ElifPose runs it.

    python benchmarks/train_step.py --batch-size 32 --threads 1

The plain reference is the same network in float32 and PyTorch's default memory order with dense SimCC targets built
for every batch, as a port of the published code would do it. All variants take turns in one process, so that the
machine's mood hits them alike; only the ratios mean anything. Memory is the most that the first three steps of a
process of their own, on one thread, take above what its imports did.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from alone import Cost, alone, cost
from rich.console import Console
from rich.table import Table
from rows import Row, add_option, write_rows
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.evaluation.losses import KLDiscretLoss, SimCCLoss
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead

KEYPOINTS = 26
PLAIN = "plain: float32, NCHW, dense targets"
VARIANTS = {
    PLAIN: (False, False, False),
    "loss from coordinates": (True, False, False),
    "  + channels last": (True, True, False),
    "  + bfloat16 autocast": (True, True, True),
}
"""Whether each is fast, has channels last, and is in bfloat16."""
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


def random_batch(size: tuple[int, int], people: int) -> tuple[Tensor, Tensor]:
    """Images and keypoints in input pixels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (people, 3, *size[::-1]), dtype=torch.uint8, generator=generator)
    return images, torch.rand((people, KEYPOINTS, 2), generator=generator) * torch.tensor(size)


def of_variant(name: str, size: tuple[int, int], people: int) -> Step:
    """The step of a variant."""
    fast, last, half = VARIANTS[name]
    return build_step(SimCC(size), *random_batch(size, people), fast=fast, channels_last=last, bfloat16=half)


def seconds(size: tuple[int, int], people: int, repeats: int) -> dict[str, float]:
    """Median of each variant, in turns; the first turn does not count."""
    steps = {name: of_variant(name, size, people) for name in VARIANTS}
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def three_steps(sent: float, name: str, size: tuple[int, int], people: int) -> Cost:
    """What the first steps cost, the network and its batch included."""

    def run() -> Step:
        step = of_variant(name, size, people)
        for _ in range(3):
            step()
        return step

    return cost(sent, run)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--input-size", type=int, nargs=2, default=(192, 256), metavar=("W", "H"))
    add_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, people = (options.input_size[0], options.input_size[1]), options.batch_size
    peaks = {name: alone(three_steps, name, size, people).peak for name in VARIANTS}
    medians = seconds(size, people, options.repeats)
    title = f"RTMPose-t, batch {people} of {size[0]} × {size[1]}, threads: {options.threads}"
    table = Table(title=title)
    for column in ("training step", "people/s", "ratio", "peak MB"):
        table.add_column(column, justify="left" if column == "training step" else "right")
    for name, median in medians.items():
        table.add_row(name, f"{people / median:.1f}", f"{medians[PLAIN] / median:.2f}", f"{peaks[name]:.0f}")
    Console().print(table)
    rows = [
        Row(
            f"training step, {name.strip()}",
            f"{medians[PLAIN] / medians[name]:.2f} ×, {peaks[name]:.0f} MB at most",
            f"{PLAIN}: {peaks[PLAIN]:.0f} MB; {title}",
        )
        for name in VARIANTS
        if name != PLAIN
    ]
    write_rows(options.rows, rows)


if __name__ == "__main__":
    main()
