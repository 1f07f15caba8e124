"""Runs an exported ONNX file with onnxruntime."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, read_about, read_contract
from elifpose.export.running import Answer
from elifpose.export.wrapper import input_dtype
from elifpose.utils.errors import ElifPoseError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

_ERRORS_ONLY = 3  # of onnxruntime's levels


class OnnxRunner:
    """An ONNX file that ElifPose exported, on the CPU.

    Args:
        path: The file.
        threads: Of each operator; 0 leaves it to onnxruntime.

    Attributes:
        contract: The file's input and outputs.
        about: What else the file says of itself.
        codec: How its bins become keypoints.

    Raises:
        ElifPoseError: onnxruntime is not installed, or the file is missing, damaged or not of ElifPose.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        options = session_options(threads)
        self.path = Path(path)
        self._session = open_session(self.path, options)
        stored = self._session.get_modelmeta().custom_metadata_map
        self.contract = read_contract(stored, self.path)
        self.about: dict[str, Any] = read_about(stored)
        self.codec = SimCC(**self.about["codec"])

    def __call__(self, images: Tensor) -> Answer:
        """Answer for crops ``(N, 3, H, W)`` uint8 RGB."""
        (name,) = (of_input.name for of_input in self._session.get_inputs())
        arrays = self._session.run(None, {name: as_input(images, self.contract).numpy()})
        first, second = (torch.from_numpy(array).float() for array in arrays)
        if self.contract.outputs == "keypoints":
            return Answer(first, second, None)
        return Answer(*self.codec.decode(first, second), (first, second))


def as_input(images: Tensor, contract: Contract) -> Tensor:
    """The input that a contract asks for, ``(N, 3, H, W)``, of crops of that shape, uint8 RGB."""
    if contract.channels == "BGR":
        images = images.flip(1)
    if contract.normalised:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (contract.mean, contract.std))
        images = (images - mean) / std
    return images.to(input_dtype(contract)).contiguous()


def operations(path: str | Path) -> Counter[str]:
    """How often each operation is in a file as onnxruntime runs it on this machine, such as ``QLinearConv``.

    Raises:
        ElifPoseError: A package is not installed, or the file is missing or damaged.
    """
    options = session_options()
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder, "optimised.onnx")
        options.optimized_model_filepath = str(optimised)
        open_session(path, options)
        return Counter(node.op_type for node in onnx.load(optimised).graph.node)


def session_options(threads: int = 0) -> "SessionOptions":
    """Options of onnxruntime that keep its warnings to itself; ``threads`` as for :class:`OnnxRunner`.

    Raises:
        ElifPoseError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ElifPoseError("running ONNX files needs onnxruntime; run `pip install 'elifpose[export]'`") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    return options


def open_session(model: str | Path | bytes, options: "SessionOptions") -> "InferenceSession":
    """Make a file, or the bytes of one, ready to run on the CPU.

    Raises:
        ElifPoseError: It is missing, or cannot be read as ONNX.
    """
    import onnxruntime

    if not isinstance(model, bytes) and not Path(model).is_file():
        raise ElifPoseError(f"there is no ONNX file {model}; check the path")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no other common class
        name = "the ONNX model" if isinstance(model, bytes) else model
        raise ElifPoseError(
            f"{name} cannot be run by onnxruntime ({error}): it is cut off, not ONNX, or too new; export it again"
        ) from error
