"""``elifpose export``: a checkpoint as a file for other runtimes, checked before it is trusted."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from rich.console import Console
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.export.contract import Contract, Format, Outputs, Precision, about, rtmlib_contract
from elifpose.export.onnx import write_onnx
from elifpose.export.people import people_of, rendered_people
from elifpose.export.quantize import network_of
from elifpose.export.request import Request
from elifpose.export.source import Source, load_source, write_safetensors
from elifpose.export.verdict import judge
from elifpose.quantization import is_prepared
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.mirrors import fetch

_ENDINGS: dict[str, Format] = {".onnx": "onnx", ".mlpackage": "coreml", ".safetensors": "safetensors"}
_CALIBRATED_ON = 256

_EPILOG = """\
elifpose export --ckpt_path best.ckpt --out pose.onnx
elifpose export --ckpt_path best.ckpt --out pose.onnx --preset rtmlib          for rtmlib, Sports2D and Pose2Sim
elifpose export --ckpt_path qat.ckpt --out pose-int8.onnx --config FIT.yaml    also measures AP of the file
elifpose export --ckpt_path best.ckpt --out pose-int8.onnx --int8 calibrate --config FIT.yaml
elifpose export --ckpt_path best.ckpt --out Pose.mlpackage                     Core ML

Options of `elifpose fit`, --config first of all, say which data to check with; without, people are rendered.
"""


def run(argv: Sequence[str], build: Callable[[Sequence[str]], PoseDataModule]) -> int:
    """Run ``argv``, the words after ``elifpose export``; 0 if the file is written and what it should be.

    Args:
        argv: Options; those that the command does not know itself are options of ``fit``.
        build: Makes the data module of options of ``fit``, not set up.

    Raises:
        ElifPoseError: A file, an option or a package is not what it should be, or the check failed.
    """
    parser = _parser()
    arguments, of_fit = parser.parse_known_args(argv)
    configured = any(word.partition("=")[0] == "--config" for word in of_fit)
    if of_fit and not configured:
        parser.error(f"unrecognized arguments: {' '.join(of_fit)}; options of the data need --config FILE")
    data = build(of_fit) if configured else None
    source = load_source(_checkpoint(arguments), arguments.skeleton)
    request = _request(arguments, source)
    if data is not None:
        _require_crops_of(source, data)
    if request.format == "safetensors":
        write_safetensors(source, request.out)
        Console().print(f"Written: {request.out}", soft_wrap=True)
        return 0
    network = network_of(source, request.precision, _to_calibrate(arguments, data))
    _writer(request.format)(
        network,
        request.out,
        request.contract,
        request.precision,
        source.codec,
        source.calibration,
        about(source, request.precision),
    )
    Console().print(f"Written: {request.out}", soft_wrap=True)
    if arguments.check:
        judge(network, source, request, _to_check(arguments, data, source), data, arguments.bound)
    if arguments.preset:
        Console().print(_mode(request), soft_wrap=True, markup=False, highlight=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elifpose export",
        usage="elifpose export --ckpt_path FILE --out FILE [OPTIONS]",
        description="Write a checkpoint's network as a file for other runtimes, and check that file.",
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--ckpt_path", required=True, metavar="FILE", help="a fit's .ckpt, a network file, or RTMPose's .pth")
    add("--out", type=Path, required=True, metavar="FILE", help=".onnx, .mlpackage or .safetensors")
    add("--format", choices=get_args(Format), help="by the ending of --out if not given")
    add("--precision", choices=get_args(Precision), help="int8 for a quantized checkpoint and float32 for others")
    add("--int8", choices=["calibrate"], help="quantize a float checkpoint by training people of --config")
    add("--outputs", choices=get_args(Outputs), help="logits, or keypoints and scores; of ONNX simcc by default")
    add("--preset", choices=["rtmlib"], help="a file that rtmlib, Sports2D and Pose2Sim take as it is")
    add("--skeleton", metavar="NAME", help="name or YAML file of the keypoints, where the checkpoint does not say")
    add("--no_check", dest="check", action="store_false", help="do not run the file")
    add("--people", type=int, default=64, help="people to check with (default: %(default)s)")
    add(
        "--bound",
        type=float,
        metavar="PX",
        help="allowed distance of keypoints: float32 the largest, others the mean",
    )
    add("--mirrors", nargs="+", default=[], metavar="URL", help="where to look for --ckpt_path if it is not here")
    add("--sha256", metavar="HASH", help="of the file that a mirror gives")
    return parser


def _checkpoint(arguments: argparse.Namespace) -> Path:
    """The checkpoint here, or fetched to here."""
    path = Path(arguments.ckpt_path)
    if path.suffix == ".onnx" or (arguments.ckpt_path in ("last", "best") and not path.exists()):
        raise ElifPoseError(f"--ckpt_path {path}: give a checkpoint's file; a fit keeps its own in RUN/checkpoints")
    if path.exists() or not arguments.mirrors:
        return path
    if arguments.sha256 is None:
        raise ElifPoseError(f"--mirrors: give --sha256 of {path.name}, so that what comes is known to be it")
    return fetch(path.name, arguments.mirrors, arguments.sha256, path.parent)


def _request(arguments: argparse.Namespace, source: Source) -> Request:
    out: Path = arguments.out
    written_as = arguments.format or _ENDINGS.get(out.suffix)
    if written_as is None:
        raise ElifPoseError(f"--out {out}: the name must end in one of {', '.join(_ENDINGS)}, or give --format")
    if written_as == "safetensors":
        _refuse_for_weights(arguments)
    if arguments.people < 1:
        raise ElifPoseError(f"--people must be at least 1, not {arguments.people}; --no_check checks with nobody")
    size, split_ratio = source.codec.input_size, source.codec.split_ratio
    quantized = is_prepared(source.network) or arguments.int8 is not None
    precision: Precision = arguments.precision or ("int8" if quantized else "float32")
    if arguments.int8 is not None and precision != "int8":
        raise ElifPoseError(f"--int8 calibrate and --precision {precision} exclude each other; leave one out")
    if arguments.preset is not None:
        if written_as != "onnx" or arguments.outputs == "keypoints":
            raise ElifPoseError("--preset rtmlib is an ONNX file with the outputs simcc; leave other wishes out")
        return Request(out, written_as, precision, rtmlib_contract(size, split_ratio))
    outputs: Outputs = arguments.outputs or ("keypoints" if written_as == "coreml" else "simcc")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    contract = Contract(size, split_ratio, outputs, normalised=False, channels="RGB", mean=mean, std=std)
    return Request(out, written_as, precision, contract)


def _refuse_for_weights(arguments: argparse.Namespace) -> None:
    for name in ("precision", "int8", "outputs", "preset"):
        if getattr(arguments, name) is not None:
            raise ElifPoseError(f"--{name}: a network file keeps the checkpoint's weights as they are; leave it out")


def _require_crops_of(source: Source, data: PoseDataModule) -> None:
    if data.input_size != source.codec.input_size:
        raise ElifPoseError(
            f"--config: makes crops of {data.input_size} pixels, and {source.path} takes {source.codec.input_size};"
            " give the configuration of its fit"
        )


def _to_calibrate(arguments: argparse.Namespace, data: PoseDataModule | None) -> Iterable[Tensor] | None:
    if arguments.int8 is None:
        return None
    if data is None:
        raise ElifPoseError("--int8 calibrate needs training people: give the --config of the fit")
    return people_of(data, _CALIBRATED_ON, training=True)


def _to_check(
    arguments: argparse.Namespace, data: PoseDataModule | None, source: Source
) -> Callable[[], Iterable[Tensor]]:
    """Makes the crops to check with, the same each time."""
    if data is None:
        return partial(rendered_people, arguments.people, source.codec.input_size)
    return partial(people_of, data, arguments.people, training=False)


def _writer(written_as: Format) -> Callable[..., None]:
    if written_as == "onnx":
        return write_onnx
    from elifpose.export.coreml import write_coreml

    return write_coreml


def _mode(request: Request) -> str:
    """What to paste into rtmlib's clients."""
    return (
        "For Sports2D and Pose2Sim, with a detector's file in place of DETECTOR.onnx:\n"
        """  mode = "{'det_class':'YOLOX', 'det_model':'DETECTOR.onnx', 'det_input_size':[640, 640], """
        f"""'pose_class':'RTMPose', 'pose_model':'{request.out.resolve()}', """
        f"""'pose_input_size':{list(request.contract.input_size)}}}\""""
    )
