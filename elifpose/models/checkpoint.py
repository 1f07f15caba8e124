"""Weights into a network and out of it: foreign checkpoints, and files that rebuild the network by themselves."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from elifpose.models.checkpoint_files import RECORD_KEY, CheckpointFile, read_checkpoint, read_state_dict
from elifpose.models.pose_estimator import PoseEstimator
from elifpose.models.shapes import network_of_shapes
from elifpose.utils.errors import ElifPoseError

__all__ = [
    "LoadReport",
    "Mismatch",
    "Scope",
    "build_network",
    "fill_network",
    "load_checkpoint",
    "load_network",
    "network_record",
    "read_state_dict",
    "rebuild_network",
    "save_network",
]

Scope = Literal["all", "backbone", "matching"]
"""Which weights are taken: every one, those of the backbone, or those that fit."""

RECORD_VERSION = 1
_SHOWN = 4


class Mismatch(NamedTuple):
    """A weight of one name and two shapes."""

    name: str
    file_shape: tuple[int, ...]
    network_shape: tuple[int, ...]


class LoadReport(NamedTuple):
    """How a checkpoint's weights compare with a network's."""

    loaded: tuple[str, ...]
    """Names of both, with equal shapes: those that were taken."""
    missing: tuple[str, ...]
    """Names of the network that the file does not have."""
    unexpected: tuple[str, ...]
    """Names of the file that the network does not have."""
    mismatched: tuple[Mismatch, ...]
    """Names of both, with different shapes."""

    def __str__(self) -> str:
        """One line: how many weights fit and, shortened, which do not."""
        parts = [f"{len(self.loaded)} weights fit"]
        shapes = [f"{name} {file} for {network}" for name, file, network in self.mismatched]
        for title, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", shapes),
        ):
            if names:
                parts.append(f"{len(names)} {title} ({_shorten(names)})")
        return "; ".join(parts)


def load_checkpoint(network: PoseEstimator, path: str | Path, scope: Scope = "all") -> LoadReport:
    """Fill a network with a file's weights; on an error it is left as it was.

    Args:
        network: The network; its weights keep their dtype and device.
        path: See :func:`~elifpose.models.checkpoint_files.read_state_dict`.
        scope: ``all`` takes every weight and ``backbone`` those of the backbone alone; both want names and shapes to
            be equal. ``matching`` takes what fits by name and shape, so that a network of other keypoints can start
            from it.

    Returns:
        What was taken and what was not, within the scope.

    Raises:
        ElifPoseError: The file cannot be read; names or shapes differ (``all``, ``backbone``); nothing fits.
    """
    return fill_network(network, read_state_dict(path), path, scope)


def load_network(path: str | Path) -> PoseEstimator:
    """Rebuild a network from a file, weights included.

    Args:
        path: A ``.ckpt`` of a training run (the averaged weights if it averaged), what :func:`save_network` wrote, or
            RTMPose's published weights of any size (see :func:`~elifpose.models.shapes.network_of_shapes`).

    Returns:
        The network, on the CPU, in evaluation mode.

    Raises:
        ElifPoseError: The file cannot be read, is of no network that can be rebuilt, of a quantized one, or of a
            later version of ElifPose.
    """
    return rebuild_network(read_checkpoint(path), path)


def rebuild_network(checkpoint: CheckpointFile, path: str | Path) -> PoseEstimator:
    """:func:`load_network` of a file that was read; ``path`` is for errors."""
    network = build_network(checkpoint, path)
    if checkpoint.record is not None and checkpoint.record.get("quantization") is not None:
        raise ElifPoseError(
            f"checkpoint {path}: is of quantization-aware training; read it with load_network of"
            " elifpose.quantization.checkpoint"
        )
    fill_network(network, checkpoint.state_dict, path)
    return network.eval()


def build_network(checkpoint: CheckpointFile, path: str | Path) -> PoseEstimator:
    """The float network of a file that was read, with fresh weights.

    Args:
        checkpoint: The file's content.
        path: The file, for errors.

    Raises:
        ElifPoseError: The record is damaged or of a later version; without one, the weights are not RTMPose's.
    """
    record = checkpoint.record
    if record is None:
        try:
            return network_of_shapes({name: value.shape for name, value in checkpoint.state_dict.items()})
        except ElifPoseError as error:
            raise ElifPoseError(
                f"checkpoint {path}: does not say how its network is built, and it is no RTMPose network: {error}; "
                "build the network in Python and fill it with load_checkpoint"
            ) from error
    if record.get("version") != RECORD_VERSION:
        raise ElifPoseError(
            f"checkpoint {path}: its record has version {record.get('version')!r}, and this ElifPose reads "
            f"{RECORD_VERSION}; use the version of ElifPose that wrote it"
        )
    try:
        return PoseEstimator.from_arguments(record["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise ElifPoseError(f"checkpoint {path}: its record of the network is damaged ({error!r})") from error


def network_record(network: PoseEstimator) -> dict[str, Any]:
    """What rebuilds the network without weights; a checkpoint stores it under the key ``elifpose``."""
    return {"version": RECORD_VERSION, "network": network.arguments()}


def save_network(network: PoseEstimator, path: str | Path, record: Mapping[str, Any] | None = None) -> None:
    """Write weights and record to one file, which :func:`load_network` reads.

    Args:
        network: The network.
        path: Ends in ``.safetensors`` or ``.pt``; its folder is made if needed.
        record: What else the file shall say, as JSON can hold it: a checkpoint's entries ``codec``, ``skeleton``,
            ``calibration``, ``quantization``.

    Raises:
        ElifPoseError: Another ending, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in {".safetensors", ".pt"}:
        raise ElifPoseError(f"network file {path}: the name must end in .safetensors or .pt")
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    record = {**network_record(network), **(record or {})}
    content = _as_pickle(weights, record) if path.suffix == ".pt" else _as_safetensors(weights, record, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ElifPoseError(f"network file {path}: cannot be written ({error}); choose another place") from error


def fill_network(
    network: PoseEstimator, weights: Mapping[str, Tensor], path: str | Path, scope: Scope = "all"
) -> LoadReport:
    """:func:`load_checkpoint` of weights that were read; ``path`` is for errors."""
    own: dict[str, Tensor] = network.state_dict()
    if scope == "backbone":
        own = {name: value for name, value in own.items() if name.startswith("backbone.")}
        weights = {name: value for name, value in weights.items() if name.startswith("backbone.")}
    report = _compare(own, weights)
    if scope != "matching" and (report.missing or report.unexpected or report.mismatched):
        raise ElifPoseError(
            f"checkpoint {path} does not fit the network: {report}; set the network's sizes to the checkpoint's, "
            'or take what fits with the scope "matching"'
        )
    if not report.loaded:
        raise ElifPoseError(f"checkpoint {path}: none of its weights fits the network: {report}")
    network.load_state_dict({name: weights[name] for name in report.loaded}, strict=False)
    return report


def _as_pickle(weights: dict[str, Tensor], record: Mapping[str, Any]) -> bytes:
    """What PyTorch writes of weights and record."""
    content = io.BytesIO()
    torch.save({"state_dict": weights, RECORD_KEY: record}, content)
    return content.getvalue()


def _as_safetensors(weights: dict[str, Tensor], record: Mapping[str, Any], path: Path) -> bytes:
    """A safetensors file with the record in its metadata."""
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise ElifPoseError(f"network file {path}: writing it needs `pip install safetensors`") from error
    return save(weights, metadata={RECORD_KEY: json.dumps(record)})


def _compare(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> LoadReport:
    """Sort names by whether they can be loaded; ``own`` are the network's."""
    both = [name for name in own if name in weights]
    return LoadReport(
        loaded=tuple(name for name in both if weights[name].shape == own[name].shape),
        missing=tuple(name for name in own if name not in weights),
        unexpected=tuple(name for name in weights if name not in own),
        mismatched=tuple(
            Mismatch(name, tuple(weights[name].shape), tuple(own[name].shape))
            for name in both
            if weights[name].shape != own[name].shape
        ),
    )


def _shorten(names: Sequence[str]) -> str:
    """The first few of a list, and how many more."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f", and {rest} more" if rest > 0 else "")
