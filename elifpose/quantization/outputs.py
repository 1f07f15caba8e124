"""What layers give while a network runs, and how much of it is noise."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def watch_outputs(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collects what modules give while their network runs, under the same keys."""
    outputs: dict[str, Tensor] = {}

    def keep(key: str, output: Tensor) -> None:
        outputs[key] = output

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, key=key: keep(key, output))
        for key, module in modules.items()
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def decibels(signal: float, noise: float) -> float:
    """Power of a signal over that of noise, dB: ∞ without noise, −∞ without signal or if noise is not finite."""
    if not math.isfinite(noise):
        return -math.inf
    ratio = signal / noise if noise else math.inf
    return 10 * math.log10(ratio) if ratio else -math.inf
