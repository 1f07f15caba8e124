"""Runs an exported Core ML package on any machine: its program is read back and interpreted with PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import read_about, read_contract
from elifpose.export.coreml import coremltools
from elifpose.export.mil_operations import OPERATIONS
from elifpose.export.running import Answer
from elifpose.utils.errors import ElifPoseError

WHAT_IS_CHECKED = (
    "Core ML: the package was read back and its program interpreted with PyTorch. That checks the conversion, not "
    "Apple's runtime; compare the golden vector on a device."
)
"""To be printed wherever such a check is reported."""

_OF_COREMLTOOLS = "com.github.apple."
_DTYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "int32": torch.int32,
    "int16": torch.int16,
    "uint16": torch.int32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


class MilRunner:
    """A Core ML package that ElifPose exported, interpreted on the CPU.

    Each operation's result is rounded to the type that the program gives it. How a device rounds inside an operation,
    and in what type it runs one, is not known here.

    Args:
        path: The ``.mlpackage``.

    Attributes:
        contract: The file's input and outputs.
        about: What else the file says of itself.
        codec: How its bins become keypoints.

    Raises:
        ElifPoseError: coremltools is not installed, the package is missing, damaged or not of ElifPose, or it has an
            operation that is not interpreted here.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        spec, program = _read(self.path)
        stored = spec.description.metadata.userDefined
        own = {name: value for name, value in stored.items() if not name.startswith(_OF_COREMLTOOLS)}
        self.contract = read_contract(own, self.path)
        self.about: dict[str, Any] = read_about(own)
        self.codec = SimCC(**self.about["codec"])
        (self._main,) = program.functions.values()
        self._constants = _constants(self._main)
        _check_operations(self._main, self._constants, self.path)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Answer:
        """Answer for crops ``(N, 3, H, W)`` uint8 RGB, one after the other: a package takes one."""
        answers = [self._run(image[None].float()) for image in images]
        first, second = (torch.cat(outputs) for outputs in zip(*answers, strict=True))
        if self.contract.outputs == "keypoints":
            return Answer(first, second, None)
        return Answer(*self.codec.decode(first, second), (first, second))

    def _run(self, image: Tensor) -> list[Tensor]:
        """Outputs, in the program's order, of an image ``(1, 3, H, W)`` float32."""
        (name,) = self._main.inputs
        values: dict[str, Any] = {**self._constants, name: image}
        for of_program in self._main.operations:
            if of_program.outputs[0].name in self._constants:
                continue
            results = OPERATIONS[of_program.op_type](_arguments(of_program, values))
            results = results if isinstance(results, tuple) else (results,)
            for variable, result in zip(of_program.outputs, results, strict=True):
                values[variable.name] = result.to(_dtype(variable))
        return [values[variable.name].float() for variable in self._main.outputs]


def _read(path: Path) -> tuple[Any, Any]:
    """The package's description and its program."""
    if not path.is_dir():
        raise ElifPoseError(f"there is no Core ML package {path}; check the path, or write it with `elifpose export`")
    with coremltools() as ct:
        from coremltools.converters.mil.frontend.milproto.load import load

        try:
            spec = ct.utils.load_spec(str(path))
            weights = path / "Data" / "com.apple.CoreML" / "weights"
            return spec, load(spec, spec.specificationVersion, file_weights_dir=str(weights))
        except Exception as error:  # coremltools' errors have no other common class
            raise ElifPoseError(f"{path} cannot be read as a Core ML package ({error}); export it again") from error


def _constants(main: Any) -> dict[str, Any]:
    """Values of all variables that do not depend on the image, by name: tensors, or Python's own values."""
    constants = {}
    for of_program in main.operations:
        for variable in of_program.outputs:
            value = variable.val
            if value is None and of_program.op_type.startswith("constexpr_"):
                value = of_program.materialized_val_inference()
            if value is not None:
                constants[variable.name] = _plain(value)
    return constants


def _plain(value: Any) -> Any:
    """A constant as the operations take it."""
    if isinstance(value, str | bool | int | float):
        return value
    tensor = torch.as_tensor(value)
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _arguments(of_program: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of an operation, float16 as float32; ``half`` says whether the first tensor was float16."""
    arguments = {
        name: [_widened(values[part.name]) for part in variable]
        if isinstance(variable, list | tuple)
        else _widened(values[variable.name])
        for name, variable in of_program.inputs.items()
        if variable is not None
    }
    return {**arguments, "half": _dtype(of_program.outputs[0]) == torch.float16}


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.float16 else value


def _dtype(variable: Any) -> torch.dtype:
    from coremltools.converters.mil.mil import types

    return _DTYPES[types.builtin_to_string(variable.dtype)]


def _check_operations(main: Any, constants: Mapping[str, Any], path: Path) -> None:
    """Raise if there is an operation whose result is needed and that is not interpreted."""
    used = {of.op_type for of in main.operations if of.outputs[0].name not in constants}
    unknown = sorted(name for name in used if name not in OPERATIONS)
    if unknown:
        raise ElifPoseError(
            f"{path} cannot be checked: its operations {', '.join(unknown)} are not interpreted by ElifPose; export "
            "it with --no_check and compare it on a device"
        )
