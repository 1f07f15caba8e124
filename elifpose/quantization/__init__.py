"""Quantization of a network on torch alone: ``prepare``, ``calibrate``, train if you like, ``convert``."""

from elifpose.quantization.convert import convert
from elifpose.quantization.phases import (
    calibrate,
    check_ranges,
    freeze,
    freeze_batch_norm,
    quantizers,
    set_observing,
    set_quantizing,
)
from elifpose.quantization.sensitivity import LayerError, sensitivity
from elifpose.quantization.spec import QuantizationSpec
from elifpose.quantization.swap import (
    PrepareReport,
    is_prepared,
    prepare,
    quantization_arguments,
    quantization_spec,
    unprepare,
)

__all__ = [
    "LayerError",
    "PrepareReport",
    "QuantizationSpec",
    "calibrate",
    "check_ranges",
    "convert",
    "freeze",
    "freeze_batch_norm",
    "is_prepared",
    "prepare",
    "quantization_arguments",
    "quantization_spec",
    "quantizers",
    "sensitivity",
    "set_observing",
    "set_quantizing",
    "unprepare",
]
