"""Core ML packages, written on any machine."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

import elifpose
from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import OUTPUT_NAMES, Contract, Precision, metadata
from elifpose.export.wrapper import wrap
from elifpose.models import PoseEstimator
from elifpose.utils.errors import ElifPoseError

TARGET = "iOS17"
"""The oldest system that runs the packages, with macOS 14: the first that quantizes activations."""
INPUT = "image"

_MAP_RANK = 4  # of (1, C, H, W)


def write_coreml(
    network: PoseEstimator,
    path: str | Path,
    contract: Contract,
    precision: Precision,
    codec: SimCC,
    calibration: ScoreCalibration | None,
    about: dict[str, Any],
) -> None:
    """Write a network as a Core ML package: an ML program that takes an RGB image and normalises it inside.

    With ``float16`` feature maps are computed in float16. What is behind the keypoints' maps, the norms, the
    attention, the classifiers and the decoding, stays float32: sums of squares may leave the range of float16, and it
    cannot tell fractions of far bins apart. With ``int8`` weights and activations are integers between float32
    operations: scales rounded to float16 move codes. Activations of 16 bits stay float: Core ML quantizes to 8.

    Args:
        network: Float, or converted to integers for ``int8``; it is left as it is.
        path: The package, a folder that ends in ``.mlpackage``; its folder is made if needed. A package of that name
            is replaced, once the new one is whole.
        contract: Outputs, and an input that is RGB and normalised inside.
        precision: Of weights and arithmetic; the outputs are float32.
        codec: How bins become keypoints, where the file does that.
        calibration: What scores mean, where the file gives them; with None they are raw.
        about: What else the file shall say, see :func:`elifpose.export.contract.about`.

    Raises:
        ElifPoseError: coremltools is not installed, a part of the network has no counterpart in Core ML, the name has
            another ending, something that is no package is in the way, or the package cannot be written.
        ValueError: The contract has another input.
    """
    path = Path(path)
    if contract.normalised or contract.channels != "RGB":
        raise ValueError(f"a Core ML package takes RGB and normalises inside, and the contract is {contract}")
    _check_place(path)
    with coremltools() as ct:
        program = _exported(wrap(network, contract, "float32", codec, calibration), contract)
        try:
            model = _converted(ct, program, contract, precision)
        except Exception as error:  # coremltools' errors have no other common class
            raise ElifPoseError(
                f"export {path}: a part of the network has no counterpart in Core ML ({error}); write ONNX instead"
            ) from error
        versions = {**about.get("versions", {}), "coremltools": ct.__version__, "minimum_deployment_target": TARGET}
        _describe(model, contract, {**about, "versions": versions})
        _save(model, path)


@contextlib.contextmanager
def coremltools() -> Iterator[Any]:
    """The package ``coremltools``; inside, its progress bars, log lines and warnings are kept from the user.

    Raises:
        ElifPoseError: It is not installed.
    """
    if find_spec("coremltools") is None:
        raise ElifPoseError("Core ML packages need coremltools; run `pip install 'elifpose[coreml]'`")
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            yield import_module("coremltools")
    finally:
        logging.disable(disabled)


def _exported(wrapped: torch.nn.Module, contract: Contract) -> ExportedProgram:
    """The graph, with what coremltools does not take put in other words."""
    width, height = contract.input_size
    exported: ExportedProgram = torch.export.export(wrapped, (torch.zeros(1, 3, height, width),))
    program: ExportedProgram = exported.run_decompositions({})
    graph = program.graph
    for node in list(graph.nodes):
        name = str(node.target)
        if name == "quantized_decomposed.dequantize_per_channel.default" and node.args[2] is None:
            scales = node.args[1]
            with graph.inserting_before(node):
                zeros = graph.call_function(torch.ops.aten.zeros_like.default, (scales,), {"dtype": torch.int8})
            zeros.meta["val"] = torch.zeros_like(scales.meta["val"], dtype=torch.int8)
            node.update_arg(2, zeros)
        elif name == "quantized_decomposed.dequantize_per_tensor.default" and node.args[5] == torch.uint16:
            node.replace_all_uses_with(node.args[0].args[0])
        elif name in ("aten.__and__.Tensor", "aten.bitwise_and.Tensor"):
            node.target = torch.ops.aten.logical_and.default
        elif name == "aten.where.ScalarOther":
            condition, chosen, other = node.args
            with graph.inserting_before(node):
                others = graph.call_function(torch.ops.aten.full_like.default, (chosen, other))
            others.meta["val"] = torch.full_like(chosen.meta["val"], other)
            node.target, node.args = torch.ops.aten.where.self, (condition, chosen, others)
    graph.eliminate_dead_code()
    return program


def _converted(ct: Any, program: ExportedProgram, contract: Contract, precision: Precision) -> Any:
    """The ML program in memory."""
    width, height = contract.input_size
    image = ct.ImageType(INPUT, shape=(1, 3, height, width), color_layout=ct.colorlayout.RGB)
    half = ct.transform.FP16ComputePrecision(op_selector=_makes_map)
    return ct.convert(
        program,
        inputs=[image],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in OUTPUT_NAMES[contract.outputs]],
        convert_to="mlprogram",
        minimum_deployment_target=getattr(ct.target, TARGET),
        compute_precision=half if precision == "float16" else ct.precision.FLOAT32,
        skip_model_load=True,
    )


def _makes_map(operation: Any) -> bool:
    """Whether an operation gives a feature map."""
    return all(output.rank == _MAP_RANK for output in operation.outputs)


def _describe(model: Any, contract: Contract, about: dict[str, Any]) -> None:
    """What Xcode shows of a package, and in ``user_defined_metadata`` everything else."""
    names = about["skeleton"]["keypoints"]
    width, height = contract.input_size
    checkpoint = about["checkpoint"]
    model.author = f"exported by ElifPose {elifpose.__version__}"
    model.short_description = (
        f"{len(names)} keypoints ({about['skeleton']['name']}) of the person in a crop of {width} x {height} pixels."
    )
    model.version = f"{checkpoint['name']}, {checkpoint['sha256'][:12]}"
    model.license = "ElifPose: Apache-2.0. Weights: as whoever trained them says, and as their training data allow."
    model.input_description[INPUT] = (
        f"RGB, {width} x {height} pixels: the person's box, 1.25 times as large, then made wider or higher to the "
        "input's aspect ratio; black where the photo ends. It is normalised inside."
    )
    for name, text in _output_descriptions(contract, names, calibrated=about["calibration"] is not None).items():
        model.output_description[name] = text
    entries = metadata(contract, {**about, "keypoints": names})
    model.user_defined_metadata.update(entries)


def _output_descriptions(contract: Contract, names: list[str], calibrated: bool) -> dict[str, str]:
    order = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    if contract.outputs == "keypoints":
        meaning = (
            "the probability that the keypoint is right (0 to 1)"
            if calibrated
            else "the smaller of the two largest logits: the higher the surer, no probability"
        )
        return {
            "keypoints": (
                f"1 x {len(names)} x 2: x, y in pixels of the input, from its top left; whole numbers are centres of "
                f"pixels. Order: {order}."
            ),
            "scores": f"1 x {len(names)}: {meaning}. Same order.",
        }
    return {
        f"simcc_{axis}": (
            f"1 x {len(names)} x bins: logits; bin b stands for {axis} = b / {contract.split_ratio:g} pixels of the "
            f"input. Order: {order}."
        )
        for axis in ("x", "y")
    }


def _check_place(path: Path) -> None:
    """Raise where no package can be put."""
    if path.suffix != ".mlpackage":
        raise ElifPoseError(f"export {path}: the name of a Core ML package ends in .mlpackage")
    if path.exists() and not (path / "Manifest.json").is_file():
        raise ElifPoseError(
            f"export {path}: something is there that is no Core ML package; choose another name by --out"
        )


def _save(model: Any, path: Path) -> None:
    """Write a package in a folder beside the place, then move it there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            whole = Path(folder, path.name)
            model.save(str(whole))
            if path.exists():
                path.rename(Path(folder, "old"))
            whole.rename(path)
    except OSError as error:
        raise ElifPoseError(f"export {path}: cannot be written ({error}); choose another place by --out") from error
