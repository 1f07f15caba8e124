"""The configuration that a run was started with, every default included."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import yaml
from lightning.pytorch.cli import SaveConfigCallback

Scalar = bool | int | float | str


def resolved_configuration(trainer: pl.Trainer) -> str | None:
    """The configuration as YAML; None where a trainer was used without the command line."""
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks")  # noqa: B009 - unseen by mypy
    for callback in callbacks:
        if isinstance(callback, SaveConfigCallback):
            return str(callback.parser.dump(callback.config, skip_none=False))
    return None


def flat_scalars(configuration: str) -> dict[str, Scalar]:
    """The values of a YAML document by their dotted paths: what a table of many runs has as columns.

    A list is one value, as YAML writes it in a line; what is null is left out.

    >>> flat_scalars("model: {lr: 0.5, sigma: [6.0, 7.0], neck: null}")
    {'model.lr': 0.5, 'model.sigma': '[6.0, 7.0]'}
    """
    return _flat(yaml.safe_load(configuration), "")


def _flat(nested: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            flat[f"{prefix}{key}"] = yaml.safe_dump(value, default_flow_style=True, width=float("inf")).strip()
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat
