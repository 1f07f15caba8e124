"""The network that a file is made of: float, or with integers."""

import copy
from collections.abc import Iterable
from typing import cast

from torch import Tensor

from elifpose.export.biases import round_biases
from elifpose.export.contract import Precision
from elifpose.export.source import Source
from elifpose.models import PoseEstimator
from elifpose.quantization import QuantizationSpec, calibrate, convert, is_prepared, prepare, unprepare
from elifpose.utils.errors import ElifPoseError


def network_of(source: Source, precision: Precision, crops: Iterable[Tensor] | None) -> PoseEstimator:
    """The network to be written; the source's own is left as it is.

    Args:
        source: The checkpoint.
        precision: Float32 and float16 take the weights as they are, without rounding; ``int8`` rounds them as they
            were trained to be, or by ``crops``.
        crops: To quantize a float network without training: batches ``(N, 3, H, W)`` that its ranges come from.

    Raises:
        ElifPoseError: ``int8`` is asked of a float network without crops, or crops are given for one that was trained
            quantized.
    """
    network = copy.deepcopy(source.network)
    trained = is_prepared(network)
    if precision != "int8":
        if trained:
            unprepare(network)
        return network
    if trained and crops is not None:
        raise ElifPoseError(f"--int8 calibrate: {source.path} was trained quantized; leave the option out")
    if not trained:
        if crops is None:
            raise ElifPoseError(
                f"--precision int8: {source.path} is of a float network; give --int8 calibrate and the --config of"
                " its fit to calibrate it on training people, or train it quantized with configs/qat.yaml"
            )
        prepare(network, QuantizationSpec())
        calibrate(network, crops)
    converted = cast("PoseEstimator", convert(network))
    round_biases(converted)
    return converted
