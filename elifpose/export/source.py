"""What is exported: a checkpoint's network with everything that says what it means."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from elifpose.codecs.calibration import ScoreCalibration, recorded_calibration
from elifpose.codecs.simcc import SimCC
from elifpose.models import PoseEstimator
from elifpose.models.checkpoint import save_network
from elifpose.models.checkpoint_files import CheckpointFile, read_checkpoint
from elifpose.quantization.checkpoint import QUANTIZATION, rebuild_network
from elifpose.quantization.swap import quantization_arguments
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26, get_skeleton, recorded_skeleton, skeleton_record
from elifpose.utils.errors import ElifPoseError

FACTS = "facts"
"""Entry of a network file's record: what its origin said of itself."""

_USUAL_SKELETONS = {skeleton.num_keypoints: skeleton for skeleton in (COCO17, HALPE26)}


class Source(NamedTuple):
    """A checkpoint, read."""

    path: Path
    network: PoseEstimator
    """On the CPU, in evaluation mode; float, or prepared by quantization-aware training."""
    skeleton: Skeleton
    codec: SimCC
    calibration: ScoreCalibration | None
    """What its scores mean; None where the checkpoint does not say."""
    digest: str
    """SHA-256 of the file, hexadecimal."""
    facts: dict[str, Any]
    """What else the file says of itself, as JSON can hold it, of these as far as known: ``epoch`` and
    ``global_step``; ``weights`` (``averaged`` or ``trained``); ``monitor``, ``score`` and ``best_score`` (the fit's
    until then); ``origin`` and ``origin_sha256`` of a network file."""


def load_source(path: str | Path, skeleton: str | None = None) -> Source:
    """Read a checkpoint to be exported.

    Args:
        path: A fit's ``.ckpt``, a network file of :func:`elifpose.models.save_network`, or RTMPose's published
            ``.pth`` of any size: there the weights' shapes say how the network is built, with SiLU and a split ratio
            of 2.
        skeleton: Name or YAML file of the keypoints; by default what the file says, or else Halpe26 for 26 and COCO's
            for 17 keypoints.

    Raises:
        ElifPoseError: The file cannot be read, is of no network that can be rebuilt, or has another number of
            keypoints than the skeleton.
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    network = rebuild_network(checkpoint, path)
    record = checkpoint.record or {}
    try:
        return Source(
            path=path,
            network=network,
            skeleton=_skeleton(network, record, skeleton, path),
            codec=_codec(network, record),
            calibration=recorded_calibration(record),
            digest=_sha256(path),
            facts=record.get(FACTS) or _facts(checkpoint),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ElifPoseError(f"checkpoint {path}: its record is damaged ({error!r}); export another one") from error


def write_safetensors(source: Source, path: str | Path) -> None:
    """Write a network file that :func:`load_source` and :func:`elifpose.models.load_network` read.

    Args:
        source: What is written, fake quantization included.
        path: Ends in ``.safetensors``, or ``.pt`` for a pickle; its folder is made if needed.

    Raises:
        ElifPoseError: Another ending, or the file cannot be written.
    """
    spec = quantization_arguments(source.network)
    record = {
        "codec": source.codec.arguments(),
        "skeleton": skeleton_record(source.skeleton),
        "calibration": None if source.calibration is None else dataclasses.asdict(source.calibration),
        QUANTIZATION: None if spec is None else {"spec": spec},
        FACTS: {**source.facts, "origin": source.path.name, "origin_sha256": source.digest},
    }
    save_network(source.network, path, record)


def _skeleton(network: PoseEstimator, record: Mapping[str, Any], chosen: str | None, path: Path) -> Skeleton:
    """The chosen skeleton, the recorded one or the usual one of as many keypoints."""
    count = network.head.num_keypoints
    if chosen is not None:
        skeleton = get_skeleton(chosen)
    elif "skeleton" in record:
        skeleton = recorded_skeleton(record["skeleton"])
    elif count in _USUAL_SKELETONS:
        skeleton = _USUAL_SKELETONS[count]
    else:
        raise ElifPoseError(
            f"checkpoint {path}: does not say what its {count} keypoints are; name them by --skeleton"
        )
    if skeleton.num_keypoints != count:
        raise ElifPoseError(
            f"checkpoint {path}: has {count} keypoints, and the skeleton {skeleton.name!r} has "
            f"{skeleton.num_keypoints}; give the one that it was trained with by --skeleton"
        )
    return skeleton


def _codec(network: PoseEstimator, record: Mapping[str, Any]) -> SimCC:
    """The recorded codec, or the one of the head's bins."""
    if "codec" in record:
        return SimCC(**record["codec"])
    return SimCC(network.head.input_size, split_ratio=network.head.split_ratio)


def _facts(checkpoint: CheckpointFile) -> dict[str, Any]:
    """What a fit's checkpoint says of the fit; nothing of other files."""
    fit = checkpoint.fit
    if checkpoint.record is None or not fit:
        return {}
    return {
        "epoch": fit["epoch"],
        "global_step": fit["global_step"],
        "weights": "averaged" if checkpoint.record.get("averaged") else "trained",
        **_monitored(fit.get("callbacks", {})),
    }


def _monitored(callbacks: Mapping[str, Any]) -> dict[str, Any]:
    """The figure by which the fit chose its best checkpoint: its name, its value when saved, the best until then."""
    for state in callbacks.values():
        if state.get("monitor") and state.get("current_score") is not None:
            return {
                "monitor": state["monitor"],
                "score": float(state["current_score"]),
                "best_score": float(state["best_model_score"]),
            }
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
