"""What is exported: a checkpoint's network with everything that says what it means."""

from pathlib import Path
from typing import Any, NamedTuple

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.models import PoseEstimator
from elifpose.structures import Skeleton


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
    """What else the checkpoint says of itself, as JSON can hold it: epoch, step, the monitored figure."""


def load_source(path: str | Path, skeleton: str | None = None) -> Source:
    """Read a checkpoint to be exported.

    Args:
        path: A fit's ``.ckpt``, a network file of :func:`elifpose.models.save_network`, or RTMPose's published
            ``.pth`` of any size: there the weights' shapes say how the network is built, with SiLU and a split ratio
            of 2.
        skeleton: Name or YAML file of the keypoints, where the file does not say; by default Halpe26 for 26 and
            COCO's for 17 keypoints.

    Raises:
        ElifPoseError: The file cannot be read, is of no network that can be rebuilt, or has another number of
            keypoints than the skeleton.
    """
    raise NotImplementedError
