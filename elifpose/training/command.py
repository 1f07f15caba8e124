"""The Lightning command line: constructors' signatures become options, linked where they say the same thing."""

import logging
import warnings
from argparse import SUPPRESS, ArgumentError
from pathlib import Path
from typing import Any, Self

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info
from rich.console import Console
from typing_extensions import override

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.models import CSPNeXt
from elifpose.structures.skeletons import get_skeleton
from elifpose.training import callbacks
from elifpose.training.artefact import SUFFIX, Artefact
from elifpose.training.checkpoints import Weights
from elifpose.training.comparison import compare, comparison_table
from elifpose.training.evaluating import Precision
from elifpose.training.module import ElifPoseModule
from elifpose.training.option_errors import option_error
from elifpose.training.result_files import write_files
from elifpose.training.robustness import measure_robustness, robustness_csv, robustness_table
from elifpose.training.runs import find_checkpoint
from elifpose.training.sensitivity_report import report_sensitivity
from elifpose.utils.errors import ElifPoseError, user_message

_PARSERS = {
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

_NOISE = (
    r".*LeafSpec",  # lightning 2.6.6 asks torch 2.13 for a class by its old name
    r"(?s)\s*.*(was deprecated in v4|JsonargparseDeprecationWarning)",  # lightning's calls of jsonargparse 4
    r"Precision .* is not supported by the model summary",
    r"The dirpath has changed",  # each run has a folder of its own
    r"It is recommended to use .self.log.*sync_dist",  # our figures are of all processes already
    r"You are using a custom batch sampler",  # ours says of itself whom it shows
    r"Grad strides do not match bucket view strides",  # torch on 1x1 kernels in channels-last memory; harmless
)


def _quiet_libraries() -> None:
    """Keep libraries' notes to each other from the user."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_tip)


def _is_no_tip(record: logging.LogRecord) -> bool:
    """Whether a line is about the run, and no advertisement."""
    return not record.getMessage().startswith("💡")


class ElifPoseCLI(LightningCLI):
    """``elifpose fit | validate | test | predict``."""

    _exported: Path | None = None

    @classmethod
    def run_command(cls, argv: list[str]) -> None:
        """Parse ``[command, *options]``, build everything and run the trainer."""
        cls._parsed(argv, run=True)

    @classmethod
    def build(cls, options: list[str]) -> tuple[ElifPoseModule, PoseDataModule]:
        """Parse the options of ``fit`` and build module and data module, without running anything."""
        built = _BuildingCLI._parsed(options, run=False)
        return built.model, built.datamodule

    @classmethod
    def _parsed(cls, argv: list[str], run: bool) -> Self:
        _quiet_libraries()
        always = [callbacks.Timing(), callbacks.SetShares(), callbacks.Dashboard()]
        try:
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
        except MisconfigurationException as error:  # such as a GPU that is not there
            raise ElifPoseError(user_message(error) or f"the trainer says: {error}") from error
        except RuntimeError as error:
            if "Connection closed by peer" not in str(error):
                raise
            raise ElifPoseError("another process of this run has stopped; its own message says why") from error

    @override
    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        parser = super().init_parser(**kwargs)
        parser.allow_abbrev = False  # a misspelt option is an error, not a shorter way to say another
        parser.exit_on_error = False
        return parser

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise ElifPoseError(user_message(error) or option_error(str(error), args)) from error
        command = self.config.get("subcommand")
        if command in (None, "fit"):
            return
        options = self.config[command]
        if options.ckpt_path is not None and Path(options.ckpt_path).suffix == SUFFIX:  # Lightning would unpickle it
            self._exported, options.ckpt_path = Path(options.ckpt_path), None

    @override
    def before_instantiate_classes(self) -> None:
        if self.subcommand is None:
            return
        options = self.config[self.subcommand]
        if options.trainer.enable_checkpointing is False:
            raise ElifPoseError(
                "--trainer.enable_checkpointing=false: for no checkpoints say --checkpoint.save_top_k=0"
                " --last_checkpoint.enabled=false"
            )
        checkpoint = options.ckpt_path
        if checkpoint is not None or self._exported is not None:
            options.model.init_from = None  # the file need not be there any more
        if self._exported is not None:
            return
        if checkpoint in ("last", "best"):
            folder = Path(options.checkpoint.dirpath or options.trainer.default_root_dir or "lightning_logs")
            options.ckpt_path = str(find_checkpoint(checkpoint, folder))
            rank_zero_info(f"--ckpt_path {checkpoint}: {options.ckpt_path}")
        elif checkpoint not in (None, "hpc") and not Path(checkpoint).is_file():
            raise ElifPoseError(f"--ckpt_path: there is no file {checkpoint}; give a checkpoint, or 'last' or 'best'")
        elif self.subcommand != "fit" and not (checkpoint or options.model.init_from or options.get("results")):
            raise ElifPoseError(
                f"{self.subcommand} needs trained weights: give --ckpt_path FILE (or 'last' or 'best'), or"
                " --model.init_from FILE for weights of another program"
            )

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        built = {"model", "datamodule", "train_dataloaders", "val_dataloaders", "dataloaders"}
        skipped = {*built, "weights_only", "verbose", "return_predictions"}
        return dict.fromkeys(_PARSERS, skipped)

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand != "fit":
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
        if subcommand == "validate":
            parser.add_argument(
                "--robustness", action="store_true", help="Also measure under disturbed boxes and images."
            )
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
        return parser

    @override
    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        fixed: dict[str, Any] = {"weights_only": True}  # a checkpoint is read, never executed
        if subcommand in ("validate", "test"):
            fixed["verbose"] = False  # the report's tables say it
        if subcommand == "predict":
            fixed["return_predictions"] = False  # they are written, and need not be kept
        return {**super()._prepare_subcommand_kwargs(subcommand), **fixed}

    def before_test(self) -> None:
        """Choose the weights, and what to make of them."""
        # Callbacks of the fit that an evaluation needs none of.
        warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used")
        options = self.config_init[self.subcommand]
        self.model.weights, self.model.precision = options.weights, options.precision
        if self._exported is not None:
            if options.precision != "float" or options.weights != "averaged":
                raise ElifPoseError(
                    f"--ckpt_path {self._exported}: has the precision and weights that it was exported with; leave"
                    " --precision and --weights out"
                )
            model: ElifPoseModule = self.model
            model.artefact = Artefact(self._exported, model.skeleton, model.codec, model.flip_test)

    before_predict = before_test

    def validate(self, **arguments: Any) -> None:
        """Measure a checkpoint, or result files; then, if asked for, how the network bears disturbances."""
        options = self.config_init["validate"]
        if options.results:
            self._judge([Path(path) for path in options.results], options.report.bootstrap)
            return
        self.before_test()
        self.trainer.validate(**arguments)
        if options.robustness:
            self._measure_robustness()
        if options.sensitivity:
            report_sensitivity(self.trainer, self.model, self.datamodule)

    def _judge(self, results: list[Path], bootstrap: int) -> None:
        self.datamodule.prepare_data()
        self.datamodule.setup("validate")
        for comparison in compare(results, self.datamodule.val_sets, self.model.evaluation, bootstrap):
            Console().print(comparison_table(comparison))

    def _measure_robustness(self) -> None:
        rows = measure_robustness(self.trainer, self.model, self.datamodule)
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        if self.trainer.is_global_zero:
            (path,) = write_files(folder, {"robustness.csv": robustness_csv(rows)})
            Console().print(robustness_table(rows), f"Written: {path}", soft_wrap=True)

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
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
        _link(parser)


class _BuildingCLI(ElifPoseCLI):
    """Builds what ``fit`` would train, also from the ``config.yaml`` of a run, which says of a checkpoint too."""

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument("--ckpt_path", type=str | None, help=SUPPRESS)


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
