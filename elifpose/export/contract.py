"""What an exported file takes and gives, and what it says of itself."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch

import elifpose
from elifpose.export.source import Source
from elifpose.utils.errors import ElifPoseError

Format = Literal["onnx", "coreml", "safetensors"]
Precision = Literal["float32", "float16", "int8"]
Outputs = Literal["simcc", "keypoints"]
"""Raw logits along both axes, as RTMPose's files give them, or decoded keypoints with calibrated scores."""
OUTPUT_NAMES: dict[Outputs, tuple[str, str]] = {"simcc": ("simcc_x", "simcc_y"), "keypoints": ("keypoints", "scores")}
"""Names of a file's outputs, in order."""

_CONTRACT = "contract"


class Contract(NamedTuple):
    """How an exported file is called; stored in its metadata."""

    input_size: tuple[int, int]
    """Width and height, pixels."""
    split_ratio: float
    """Bins per input pixel."""
    outputs: Outputs
    """``simcc``: ``simcc_x`` and ``simcc_y``, ``(N, K, bins)`` float32. ``keypoints``: ``keypoints`` ``(N, K, 2)``
    float32, input pixels, and ``scores`` ``(N, K)`` float32."""
    normalised: bool
    """Whether the input is float32 minus mean over std, as RTMPose's files take it; else its values are 0 to 255:
    float32 with ``simcc``, uint8 with ``keypoints``."""
    channels: Literal["RGB", "BGR"]
    """Order of the input's channels."""
    mean: tuple[float, float, float]
    """What is subtracted from the input's channels, in their order, where it is normalised outside."""
    std: tuple[float, float, float]
    """What they are then divided by."""


def rtmlib_contract(input_size: tuple[int, int], split_ratio: float) -> Contract:
    """What rtmlib, and with it Sports2D and Pose2Sim, feed and expect.

    They give BGR images, from which they subtract the mean of red, green, blue in that order: blue is minus red's.
    """
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    return Contract(input_size, split_ratio, "simcc", normalised=True, channels="BGR", mean=mean, std=std)


def about(source: Source, precision: Precision) -> dict[str, Any]:
    """What a file says of the network in it, as JSON can hold it.

    Args:
        source: Where the network is from.
        precision: In which it is written.

    Returns:
        ``skeleton`` (what :meth:`~elifpose.structures.Skeleton.from_arguments` takes), ``codec``, ``calibration``
        (None where scores are raw), ``mean`` and ``std`` (of red, green and blue, with which the network was
        trained), ``precision``, ``checkpoint`` (name and SHA-256), ``facts`` (what the checkpoint says of its fit)
        and ``versions``.
    """
    calibration, network = source.calibration, source.network.arguments()
    return {
        "skeleton": source.skeleton.arguments(),
        "codec": source.codec.arguments(),
        "calibration": None if calibration is None else dataclasses.asdict(calibration),
        "mean": network["mean"],
        "std": network["std"],
        "precision": precision,
        "checkpoint": {"name": source.path.name, "sha256": source.digest},
        "facts": source.facts,
        "versions": {"elifpose": elifpose.__version__, "torch": torch.__version__},
    }


def metadata(contract: Contract, about: Mapping[str, Any]) -> dict[str, str]:
    """A file's metadata: the contract and what is known of the network, each value as JSON.

    Args:
        contract: How the file is called.
        about: Of JSON values, see :func:`about`.
    """
    entries = {_CONTRACT: contract._asdict(), **about}
    return {name: json.dumps(value, ensure_ascii=False) for name, value in entries.items()}


def read_contract(stored: Mapping[str, str], source: object) -> Contract:
    """The contract in a file's metadata.

    Args:
        stored: The metadata.
        source: The file, for the error.

    Raises:
        ElifPoseError: It has none, or a damaged one.
    """
    if _CONTRACT not in stored:
        raise ElifPoseError(
            f"{source}: says nothing of its input and outputs, so it was not exported by ElifPose; export the "
            "checkpoint with `elifpose export`"
        )
    try:
        entries = json.loads(stored[_CONTRACT])
        tuples = {name: tuple(value) for name, value in entries.items() if isinstance(value, list)}
        return Contract(**{**entries, **tuples})
    except (AttributeError, TypeError, ValueError) as error:
        raise ElifPoseError(
            f"{source}: what it says of its input and outputs is damaged ({error}), or of another version of "
            "ElifPose; export the checkpoint again"
        ) from error


def read_about(stored: Mapping[str, str]) -> dict[str, Any]:
    """What :func:`metadata` stored besides the contract of a file that :func:`read_contract` accepted."""
    return {name: json.loads(value) for name, value in stored.items() if name != _CONTRACT}
