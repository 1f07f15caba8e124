"""ONNX files."""

import ast
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import torch

import elifpose
from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import OUTPUT_NAMES, Contract, Precision, metadata
from elifpose.export.wrapper import SimccNetwork, input_dtype, wrap
from elifpose.models import PoseEstimator
from elifpose.utils.errors import ElifPoseError

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 21
"""Version of ONNX's operators: the first that quantizes to 16 bits."""
LAYER = "layer"
"""Entry of a node's metadata: the name in the network of the module that the node was made of."""
INPUT = "images"

_LARGE = 1024  # numbers in a weight that is worth storing in half precision


def write_onnx(
    network: PoseEstimator,
    path: str | Path,
    contract: Contract,
    precision: Precision,
    codec: SimCC,
    calibration: ScoreCalibration | None,
    about: dict[str, Any],
) -> None:
    """Write a network as one ONNX file, with its weights and everything that says what it means.

    The batch size is free. Integers are pairs of QuantizeLinear and DequantizeLinear. Each node says in its metadata
    from which layer it is.

    Args:
        network: Float, or converted to integers for ``int8``; it is left as it is.
        path: The file; its folder is made if needed. It is there as a whole or not at all.
        contract: Input and outputs.
        precision: Of weights and arithmetic; input and outputs are those of the contract.
        codec: How bins become keypoints, where the file does that.
        calibration: What scores mean, where the file gives them; with None they are raw.
        about: What else the file shall say, see :func:`elifpose.export.contract.about`.

    Raises:
        ElifPoseError: A package that writes ONNX is not installed, a part of the network has no counterpart in
            ONNX, or the file cannot be written.
    """
    require_onnx()
    import onnx

    path = Path(path)
    with _whole_file(path) as file:
        model = _to_onnx(wrap(network, contract, precision, codec, calibration), contract, path)
        _tidy(model)
        if precision == "float16":
            _halve_weights(model)
        versions = {**about.get("versions", {}), "onnx": onnx.__version__, "opset": OPSET}
        onnx.helper.set_model_props(model, metadata(contract, {**about, "versions": versions}))
        model.producer_name, model.producer_version = "elifpose", elifpose.__version__
        file.write(model.SerializeToString(deterministic=True))


def require_onnx() -> None:
    """Raise :class:`ElifPoseError` unless what writes ONNX is installed."""
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise ElifPoseError(f"export: writing ONNX needs {package}; run `pip install 'elifpose[export]'`")


def _to_onnx(wrapped: SimccNetwork, contract: Contract, path: Path) -> "ModelProto":
    """The model as PyTorch's exporter makes it."""
    width, height = contract.input_size
    images = torch.zeros(2, 3, height, width, dtype=input_dtype(contract))  # a batch of 1 would stay 1
    try:
        with _silence():
            program = torch.onnx.export(
                wrapped,
                (images,),
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=OUTPUT_NAMES[contract.outputs],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except torch.onnx.OnnxExporterError as error:
        raise ElifPoseError(
            f"export {path}: a part of the network cannot be written as ONNX ({_first_cause(error)}); build a neck"
            " of your own from functions that ONNX has"
        ) from error
    return cast("torch.onnx.ONNXProgram", program).model_proto


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the exporter tells its developers from the user: warnings, log lines, whole graphs."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
    finally:
        logging.disable(disabled)


def _first_cause(error: BaseException) -> str:
    """The first line of the error that led to an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).partition("\n")[0]


def _tidy(model: "ModelProto") -> None:
    """Take out the exporter's notes, which tell this machine's folders, but for the layer of each node."""
    graph = model.graph
    for node in graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes")
        del node.metadata_props[:]
        node.doc_string = ""
        if scopes is not None:
            node.metadata_props.add(key=LAYER, value=_layer(scopes))
    for part in (model, graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _layer(scopes: str) -> str:
    """The innermost module of an exporter's note, a list of names from the whole network's to the operation's."""
    names: list[str] = ast.literal_eval(scopes)
    return names[-2]


def _halve_weights(model: "ModelProto") -> None:
    """Store the large weights that are still float32 in half precision, each with a cast back to float32.

    They are the matrices behind the keypoints' maps, where float32 is for the range of what is computed.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= _LARGE:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            graph.node.insert(
                0, helper.make_node("Cast", [weight.name], [name], f"{name}_cast", to=TensorProto.FLOAT)
            )


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file under another name, which takes the place of ``path`` once all is written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ElifPoseError(f"export {path}: cannot be written ({error}); choose another place") from error
