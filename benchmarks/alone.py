"""What something costs in a process of its own: time and memory, on Linux."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

T = TypeVar("T")


class Cost(NamedTuple):
    """What something took."""

    start: float
    """Seconds until the process and its imports were there."""
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of this process."""
    peak: float
    """MB of memory above what the process had before."""


def memory(field: str, file: str = "status") -> float:
    """MB of this process: the sum of the fields of a ``/proc`` file that start so."""
    lines = Path("/proc/self", file).read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def cost(sent: float, run: Callable[[], object]) -> Cost:
    """Run something in a process that was asked for at the time ``sent``."""
    begun = time.time()
    torch.set_num_threads(1)
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    kept = run()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    del kept
    return Cost(begun - sent, *spent, memory("VmHWM") - before)


def alone(run: Callable[..., T], *arguments: object) -> T:
    """The result of a function in a process of its own; it is told first when it was asked for."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run, time.time(), *arguments).result()
