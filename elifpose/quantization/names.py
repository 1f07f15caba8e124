"""How layers of a network are named in patterns and reports."""

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torch import nn

from elifpose.models.layers import ConvBNAct, QuantPoint
from elifpose.utils.errors import ElifPoseError


def quantizable_layers(network: nn.Module) -> dict[str, list[str]]:
    """What is quantized together, by name: modules with a weight, and points.

    A layer is a :class:`ConvBNAct` with convolution, SiLU and points, or a convolution or linear layer with the point
    that is named after it, or a point or SiLU by itself.

    Args:
        network: Float or prepared.

    Returns:
        For each layer the names of its modules, in the network's order.
    """
    modules = dict(network.named_modules())
    layers: dict[str, list[str]] = {}
    for name, module in modules.items():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.SiLU | QuantPoint):
            layers.setdefault(_layer_of(name, modules), []).append(name)
    return layers


def matching_layers(patterns: Iterable[str], layers: dict[str, list[str]], argument: str) -> set[str]:
    """Names of the modules that patterns mean.

    Args:
        patterns: See :class:`~elifpose.quantization.QuantizationSpec`.
        layers: What :func:`quantizable_layers` gave.
        argument: What the patterns are called in an error.

    Raises:
        ElifPoseError: A pattern means nothing.
    """
    meant: set[str] = set()
    for pattern in patterns:
        found = {
            member
            for layer, members in layers.items()
            for member in members
            if any(fnmatchcase(name, pattern) for name in (*_with_owners(layer), *_with_owners(member)))
        }
        if not found:
            known = sorted({owner for layer in layers for owner in _with_owners(layer)})
            near = difflib.get_close_matches(pattern, known, n=3, cutoff=0.5) or known[:3]
            raise ElifPoseError(
                f"quantization: {argument} has {pattern!r}, and no layer has such a name; "
                f"near it are {', '.join(near)}"
            )
        meant |= found
    return meant


def _layer_of(name: str, modules: dict[str, nn.Module]) -> str:
    """Name of the layer to which a module belongs."""
    owner = name.rpartition(".")[0]
    if isinstance(modules[owner], ConvBNAct):
        return owner
    weighted = name.removesuffix("_point")
    if isinstance(sequence := modules.get(weighted), nn.Sequential):
        weighted = f"{weighted}.{len(sequence) - 1}"
    return weighted if isinstance(modules.get(weighted), nn.Conv2d | nn.Linear) else name


def _with_owners(name: str) -> Sequence[str]:
    """``a.b.c``, ``a.b`` and ``a``."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
