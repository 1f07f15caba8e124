"""The Lightning command line: constructors' signatures become options, and a run is made of them."""

from argparse import SUPPRESS, ArgumentError
from pathlib import Path
from typing import Any, Self

from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from rich.console import Console
from typing_extensions import override

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.training import callbacks
from elifpose.training.artefact import SUFFIX, Artefact
from elifpose.training.comparison import compare, comparison_table
from elifpose.training.module import ElifPoseModule
from elifpose.training.option_errors import option_error
from elifpose.training.options import SUBCOMMANDS, add_callbacks, add_evaluation, add_validation, link_options
from elifpose.training.quiet import quiet_evaluation, quiet_libraries
from elifpose.training.result_files import write_files
from elifpose.training.robustness import measure_robustness, robustness_csv, robustness_table
from elifpose.training.runs import checkpoint_path
from elifpose.training.sensitivity_report import report_sensitivity
from elifpose.utils.errors import ElifPoseError, user_message


class ElifPoseCLI(LightningCLI):
    """``elifpose fit | validate | test | predict``."""

    _exported: Path | None = None
    """What stands in for the network; None for the network itself."""

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
        quiet_libraries()
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
                parser_kwargs=SUBCOMMANDS,
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

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        built = {"model", "datamodule", "train_dataloaders", "val_dataloaders", "dataloaders"}
        skipped = {*built, "weights_only", "verbose", "return_predictions"}
        return dict.fromkeys(SUBCOMMANDS, skipped)

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand != "fit":
            add_evaluation(parser)
        if subcommand == "validate":
            add_validation(parser)
        return parser

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        add_callbacks(parser)
        link_options(parser)

    @override
    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        fixed: dict[str, Any] = {"weights_only": True}  # a checkpoint is read, never executed
        if subcommand in ("validate", "test"):
            fixed["verbose"] = False  # the report's tables say it
        if subcommand == "predict":
            fixed["return_predictions"] = False  # they are written, and need not be kept
        return {**super()._prepare_subcommand_kwargs(subcommand), **fixed}

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
        if options.ckpt_path is not None:
            runs = Path(options.checkpoint.dirpath or options.trainer.default_root_dir or "lightning_logs")
            options.ckpt_path = checkpoint_path(options.ckpt_path, runs)
        if options.ckpt_path is not None or self._exported is not None:
            options.model.init_from = None  # the file need not be there any more
        elif self.subcommand != "fit" and not (options.model.init_from or options.get("results")):
            raise ElifPoseError(
                f"{self.subcommand} needs trained weights: give --ckpt_path FILE (or 'last' or 'best'), or"
                " --model.init_from FILE for weights of another program"
            )

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, TypeError, ValueError) as error:  # such as a GPU that is not there
            told = " ".join(str(error).split()).rstrip(".!")
            raise ElifPoseError(f"the trainer says: {told}; correct the --trainer options") from error

    @override
    def after_instantiate_classes(self) -> None:
        if self.subcommand is not None:
            self.datamodule.check_files(self.subcommand)  # before there are other processes, which would all say it

    def before_test(self) -> None:
        """Choose the weights, and what to make of them."""
        quiet_evaluation()
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
        self.datamodule.setup("validate")
        for comparison in compare(results, self.datamodule.val_sets, self.model.evaluation, bootstrap):
            Console().print(comparison_table(comparison))

    def _measure_robustness(self) -> None:
        rows = measure_robustness(self.trainer, self.model, self.datamodule)
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        if self.trainer.is_global_zero:
            (path,) = write_files(folder, {"robustness.csv": robustness_csv(rows)})
            Console().print(robustness_table(rows), f"Written: {path}", soft_wrap=True)


class _BuildingCLI(ElifPoseCLI):
    """Builds what ``fit`` would train, also from the ``config.yaml`` of a run, which says of a checkpoint too."""

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument("--ckpt_path", type=str | None, help=SUPPRESS)
