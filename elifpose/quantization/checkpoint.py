"""Networks of files, quantized ones included."""

from pathlib import Path

from elifpose.models import PoseEstimator
from elifpose.models.checkpoint import build_network, fill_network
from elifpose.models.checkpoint import rebuild_network as rebuild_float_network
from elifpose.models.checkpoint_files import CheckpointFile, read_checkpoint
from elifpose.quantization.spec import QuantizationSpec
from elifpose.quantization.swap import prepare
from elifpose.utils.errors import ElifPoseError

QUANTIZATION = "quantization"
"""Entry of ElifPose's record in a checkpoint: None for a float network."""


def load_network(path: str | Path) -> PoseEstimator:
    """Rebuild the network of a file, float or quantized, weights and ranges included.

    Args:
        path: As for :func:`elifpose.models.load_network`.

    Returns:
        The network, on the CPU, in evaluation mode; prepared if the fit had quantized it.

    Raises:
        ElifPoseError: As that function.
    """
    return rebuild_network(read_checkpoint(path), path)


def rebuild_network(checkpoint: CheckpointFile, path: str | Path) -> PoseEstimator:
    """:func:`load_network` of a file that was read; ``path`` is for errors."""
    quantization = (checkpoint.record or {}).get(QUANTIZATION)
    if quantization is None:
        return rebuild_float_network(checkpoint, path)
    network = build_network(checkpoint, path)
    try:
        prepare(network, QuantizationSpec(**quantization["spec"]))
    except (KeyError, TypeError) as error:
        raise ElifPoseError(f"checkpoint {path}: its record of the quantization is damaged ({error!r})") from error
    fill_network(network, checkpoint.state_dict, path)
    return network.eval()
