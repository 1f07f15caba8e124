"""The Lightning command line: constructors' signatures become options, linked where they say the same thing."""

import warnings
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.models import CSPNeXt
from elifpose.structures.skeletons import get_skeleton
from elifpose.training import callbacks
from elifpose.training.module import ElifPoseModule
from elifpose.training.runs import find_checkpoint
from elifpose.utils.errors import ElifPoseError

_PARSERS = {
    "fit": {"usage": "elifpose fit --config FILE [OPTIONS]", "description": "Train, validating as it goes."},
    "validate": {
        "usage": "elifpose validate --config FILE --ckpt_path FILE [OPTIONS]",
        "description": "Measure a checkpoint on the validation sets.",
    },
    "test": {
        "usage": "elifpose test --config FILE --ckpt_path FILE [OPTIONS]",
        "description": "Measure a checkpoint on the test sets.",
    },
}

_NOISE = (
    r".*LeafSpec",  # lightning 2.6.6 asks torch 2.13 for a class by its old name
    r"(?s)\s*.*(was deprecated in v4|JsonargparseDeprecationWarning)",  # lightning's calls of jsonargparse 4
    r"Precision .* is not supported by the model summary",
    r"The dirpath has changed",  # each run has a folder of its own
    r"It is recommended to use .self.log.*sync_dist",  # our figures are of all processes already
    r"Grad strides do not match bucket view strides",  # torch on 1x1 kernels in channels-last memory; harmless
)


def _quiet_libraries() -> None:
    """Keep libraries' notes to each other from the user."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)


class ElifPoseCLI(LightningCLI):
    """``elifpose fit | validate | test``."""

    @classmethod
    def run_command(cls, argv: list[str]) -> None:
        """Parse ``[command, *options]``, build everything and run the trainer."""
        cls._parsed(argv, run=True)

    @classmethod
    def build(cls, options: list[str]) -> tuple[ElifPoseModule, PoseDataModule]:
        """Parse the options of ``fit`` and build module and data module, without running anything."""
        built = cls._parsed(options, run=False)
        return built.model, built.datamodule

    @classmethod
    def _parsed(cls, argv: list[str], run: bool) -> Self:
        _quiet_libraries()
        always = [callbacks.Timing(), callbacks.Report()]
        return cls(
            ElifPoseModule,
            PoseDataModule,
            args=argv,
            run=run,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            trainer_defaults={"use_distributed_sampler": False, "callbacks": always},
            parser_kwargs=_PARSERS,
        )

    @override
    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        parser = super().init_parser(**kwargs)
        parser.allow_abbrev = False  # a misspelt option is an error, not a shorter way to say another
        return parser

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(args)

    @override
    def before_instantiate_classes(self) -> None:
        if self.subcommand is None:
            return
        options = self.config[self.subcommand]
        checkpoint = options.ckpt_path
        if checkpoint in ("last", "best"):
            folder = Path(options.checkpoint.dirpath or options.trainer.default_root_dir or "lightning_logs")
            options.ckpt_path = str(find_checkpoint(checkpoint, folder))
            rank_zero_info(f"--ckpt_path {checkpoint}: {options.ckpt_path}")
        elif checkpoint not in (None, "hpc") and not Path(checkpoint).is_file():
            raise ElifPoseError(f"--ckpt_path: there is no file {checkpoint}; give a checkpoint, or 'last' or 'best'")

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        built = {"model", "datamodule", "train_dataloaders", "val_dataloaders", "dataloaders"}
        skipped = {*built, "weights_only", "verbose"}
        return {"fit": skipped, "validate": skipped, "test": skipped}

    @override
    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        fixed: dict[str, Any] = {"weights_only": True}  # a checkpoint is read, never executed
        if subcommand != "fit":
            fixed["verbose"] = False  # the report's table says it
        return {**super()._prepare_subcommand_kwargs(subcommand), **fixed}

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/AP",
                "checkpoint.mode": "max",
                "checkpoint.save_last": True,
                "checkpoint.filename": "epoch={epoch:03d}-AP={val/AP:.4f}",
                "checkpoint.auto_insert_metric_name": False,
            }
        )
        parser.add_lightning_class_args(callbacks.ExponentialMovingAverage, "ema")
        parser.add_lightning_class_args(callbacks.PredictionFigures, "figures")
        _link(parser)


def _link(parser: LightningArgumentParser) -> None:
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


def _num_keypoints(skeleton: str) -> int:
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
