"""Networks of fits' checkpoints, quantized ones included."""

from pathlib import Path

from elifpose.models import PoseEstimator, load_checkpoint
from elifpose.models.checkpoint import load_network as load_float_network
from elifpose.models.checkpoint_files import read_checkpoint
from elifpose.quantization.spec import QuantizationSpec
from elifpose.quantization.swap import prepare

QUANTIZATION = "quantization"
"""Entry of ElifPose's record in a checkpoint: None for a float network."""


def load_network(path: str | Path) -> PoseEstimator:
    """Rebuild the network of a fit's checkpoint, float or quantized, weights and ranges included.

    Args:
        path: As for :func:`elifpose.models.load_network`.

    Returns:
        The network, on the CPU, in evaluation mode; prepared if the fit had quantized it.

    Raises:
        ElifPoseError: As that function.
    """
    record = read_checkpoint(path).record or {}
    if record.get(QUANTIZATION) is None:
        return load_float_network(path)
    network = PoseEstimator.from_arguments(record["network"])
    prepare(network, QuantizationSpec(**record[QUANTIZATION]["spec"]))
    load_checkpoint(network, path)
    return network.eval()
