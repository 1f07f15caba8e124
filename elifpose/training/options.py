"""What can be said to ``fit``, ``validate``, ``test`` and ``predict`` beside the constructors' arguments."""

from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser

from elifpose.models import CSPNeXt
from elifpose.structures.skeletons import get_skeleton
from elifpose.training import callbacks
from elifpose.training.checkpoints import Weights
from elifpose.training.evaluating import Precision
from elifpose.utils.errors import ElifPoseError

SUBCOMMANDS = {
    "fit": {"usage": "elifpose fit --config FILE [OPTIONS]", "description": "Train, validating as it goes."},
    "validate": {
        "usage": "elifpose validate --config FILE --ckpt_path FILE [OPTIONS]",
        "description": "Measure a checkpoint on the validation sets.",
    },
    "test": {
        "usage": "elifpose test --config FILE --ckpt_path FILE [OPTIONS]",
        "description": "Measure a checkpoint on the test sets; of sets without annotations, write what to submit.",
    },
    "predict": {
        "usage": "elifpose predict --config FILE --ckpt_path FILE [OPTIONS]",
        "description": "Write the keypoints of a data set's people as COCO JSON and CSV.",
    },
}
"""How each introduces itself."""


def add_callbacks(parser: LightningArgumentParser) -> None:
    """The callbacks that every run has, each with a name of its own for its options."""
    parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
    parser.set_defaults(
        {
            "checkpoint.monitor": "val/AP",
            "checkpoint.mode": "max",
            "checkpoint.filename": "epoch={epoch:03d}-AP={val/AP:.4f}",
            "checkpoint.auto_insert_metric_name": False,
        }
    )
    parser.add_lightning_class_args(callbacks.ExponentialMovingAverage, "ema")
    parser.add_lightning_class_args(callbacks.Figures, "figures")
    parser.add_lightning_class_args(callbacks.Report, "report")
    parser.add_lightning_class_args(callbacks.QuantizationReport, "quantization_report")
    parser.add_lightning_class_args(callbacks.LastCheckpoint, "last_checkpoint")


def add_evaluation(parser: LightningArgumentParser) -> None:
    """What of a checkpoint is evaluated."""
    parser.add_argument(
        "--weights",
        type=Weights,
        default="averaged",
        help="Of a checkpoint that has both, evaluate the averaged weights or those that were being trained.",
    )
    parser.add_argument(
        "--precision",
        type=Precision,
        default="float",
        help="Evaluate the network as it is, or a quantized one converted to integers.",
    )


def add_validation(parser: LightningArgumentParser) -> None:
    """What only ``validate`` does."""
    parser.add_argument("--robustness", action="store_true", help="Also measure under disturbed boxes and images.")
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="Also report what each layer loses in 8 bits, and which layers to give 16.",
    )
    parser.add_argument(
        "--results",
        type=str,
        nargs="+",
        help="Judge a COCO results file, or a run's folder, instead of a network; of two, the difference.",
    )


def link_options(parser: LightningArgumentParser) -> None:
    """Say once what several parts must agree on."""
    parser.link_arguments("model.codec.input_size", "data.input_size")
    parser.link_arguments("model.codec.input_size", "model.network.head.input_size")
    parser.link_arguments("model.codec.split_ratio", "model.network.head.split_ratio")
    parser.link_arguments("model.skeleton", "data.skeleton")
    parser.link_arguments("model.skeleton", "model.network.head.num_keypoints", compute_fn=_num_keypoints)
    maps = ("model.network.backbone", "model.network.neck")
    parser.link_arguments(maps, "model.network.head.in_channels", compute_fn=_head_channels)
    parser.link_arguments(maps, "model.network.head.stride", compute_fn=_head_stride)
    parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
    parser.link_arguments("checkpoint.dirpath", "last_checkpoint.dirpath")


def _num_keypoints(skeleton: object) -> int:
    if not isinstance(skeleton, str):
        raise ElifPoseError("write a skeleton of your own into a file and give its path: --model.skeleton=FILE.yaml")
    return get_skeleton(skeleton).num_keypoints


def _head_channels(backbone: Any, neck: Any) -> int:
    """Channels of the map that the head reads: the last of the neck's, or of the backbone's without one."""
    built = _on_meta(backbone)
    if neck is None:
        return built.out_channels[-1]
    return int(neck.init_args.get("out_channels") or built.out_channels[_level(neck)])


def _head_stride(backbone: Any, neck: Any) -> int:
    """Input pixels per cell of that map."""
    return _on_meta(backbone).out_strides[_level(neck)]


def _level(neck: Any) -> int:
    return -1 if neck is None else int((neck.init_args.get("out_indices") or [-1])[-1])


def _on_meta(backbone: Any) -> CSPNeXt:
    with torch.device("meta"):
        return CSPNeXt(**vars(backbone))
