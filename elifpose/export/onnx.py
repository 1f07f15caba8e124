"""ONNX files."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from elifpose.utils.errors import ElifPoseError

OPSET = 21
"""Version of ONNX's operators: the first that quantizes to 16 bits."""


def export_onnx(network: nn.Module, path: str | Path, input_size: tuple[int, int]) -> None:
    """Write a network, float or converted to integers, as one ONNX file.

    Its input ``images`` is ``(N, 3, H, W)`` float32, RGB from 0 to 255; its outputs are ``simcc_x`` and ``simcc_y``.
    N is free. Integers are written as pairs of QuantizeLinear and DequantizeLinear.

    Args:
        network: Maps images to logits along x and y.
        path: The file; its folder is made if needed.
        input_size: Width and height of the input, pixels.

    Raises:
        ElifPoseError: A package that writes ONNX is not installed.
    """
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise ElifPoseError(f"export: writing ONNX needs {package}; run `pip install 'elifpose[export]'`")
    width, height = input_size
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network.eval(),
        (torch.zeros(2, 3, height, width),),
        path,
        dynamo=True,
        external_data=False,
        verbose=False,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["simcc_x", "simcc_y"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
