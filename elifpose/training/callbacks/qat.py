"""Quantization-aware training: when a fit's network is quantized, and what the integer network is worth meanwhile."""

import copy
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from lightning.pytorch.utilities.seed import isolate_rng

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.quantization import QuantizationSpec, calibrate, check_ranges, prepare
from elifpose.structures.batch import PoseBatch
from elifpose.training.late_parameters import add_parameters, scale_learning_rates
from elifpose.training.module import ElifPoseModule
from elifpose.training.quantization_epochs import QuantizationEpochs, require_moments
from elifpose.training.side_evaluation import IntegerEvaluation, on_device, validation_ap
from elifpose.utils.errors import ElifPoseError


class QATCallback(Callback):
    """Trains the last part of a fit with fake quantization, so that the network works in 8 bits.

    At an epoch of the fit the network is quantized in place and calibrated: ranges are those that the float network
    has in the epoch's first training batches, cropped as in training but without changes of colour. From then on
    ``val/AP`` is of the fake-quantized network, and ``val/int8/AP`` and ``val/int8/<set>/AP`` of the network
    converted to integers; ``val/float/AP`` is that of the last validation before, or, without one, of the network as
    it is then. Up to there every step is that of a fit without this callback, bit for bit.

    Best checkpoints are chosen anew when the network is quantized; those of the float network stay. Checkpoints say
    what is quantized, so that they are evaluated, and a fit goes on from them, without this callback too. A fit that
    starts from the weights of a quantized network (``init_from``) is quantized from its first step.

    ``start``, ``stop_observing`` and ``freeze_batch_norm`` are shares of the fit's epochs below 1, and epochs from 1
    on; the first epoch is 0.

    Args:
        start: When the network is quantized; 0 is the beginning, for a finetune of a float network.
        stop_observing: When ranges stop to follow the batches. Learned steps never follow them, but the gradient.
        freeze_batch_norm: When norms stop to follow the batches, and stay as the integer network has them.
        calibration_batches: Batches for the calibration at the start.
        learning_rate_scale: By what learning rates are multiplied from the start on.
        int8_every_n_validations: Measure the integer network at each n-th validation; 0 never does.
        spec: What is quantized, and how.

    Raises:
        ElifPoseError: If an argument is out of its range.
    """

    def __init__(
        self,
        start: float = 0.8,
        stop_observing: float = 0.9,
        freeze_batch_norm: float = 0.95,
        calibration_batches: int = 16,
        learning_rate_scale: float = 1.0,
        int8_every_n_validations: int = 1,
        spec: QuantizationSpec = QuantizationSpec(),  # noqa: B008 - frozen; the signature is the configuration
    ) -> None:
        moments = {"start": start, "stop_observing": stop_observing, "freeze_batch_norm": freeze_batch_norm}
        require_moments(moments)
        if calibration_batches < 1 or int8_every_n_validations < 0 or not learning_rate_scale > 0:
            raise ElifPoseError(
                f"QATCallback: calibration_batches is {calibration_batches}, int8_every_n_validations"
                f" {int8_every_n_validations} and learning_rate_scale {learning_rate_scale}; give at least 1, at"
                " least 0, and a number above 0"
            )
        self._moments = (start, stop_observing, freeze_batch_norm)
        self.calibration_batches = calibration_batches
        self.learning_rate_scale = learning_rate_scale
        self.int8_every_n_validations = int8_every_n_validations
        self.spec = spec
        self._epochs: QuantizationEpochs | None = None
        self._float_ap: float | None = None
        self._validations = 0
        self._integer: IntegerEvaluation | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out before the first step of a fit what cannot work."""
        if stage != "fit":
            return
        module, _ = _checked(trainer, pl_module)
        self._epochs = QuantizationEpochs.in_fit(*self._moments, trainer.max_epochs)
        _refuse_compiled(module)
        if module.quantization.spec is None:
            prepare(copy.deepcopy(module.network), self.spec)
        self._float_ap, self._validations = None, 0

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check that a fit goes on as it was quantized; its learning rates follow what is configured now."""
        module = cast("ElifPoseModule", pl_module)
        if trainer.state.fn == "fit" and module.quantization.spec is not None:
            self._require_own_spec(module)
            module.quantization.learning_rate_scale = self.learning_rate_scale

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """If it is time, quantize the network, or go on to the next part of the quantized training."""
        module, datamodule = _checked(trainer, pl_module)
        quantization, epoch, epochs = module.quantization, trainer.current_epoch, self._epochs
        if epochs is None or (quantization.spec is None and epoch < epochs.start):
            return
        if quantization.spec is None:
            with isolate_rng():
                self._quantize(trainer, module, datamodule)
        self._require_own_spec(module)
        self._scale_learning_rates(trainer, module)
        observing, frozen = epoch < epochs.stop_observing, epoch >= epochs.freeze_batch_norm
        if observing != quantization.observing:
            check_ranges(module.network)
            rank_zero_info(f"Epoch {epoch}: ranges {'follow' if observing else 'no longer follow'} the batches.")
        if frozen != quantization.norms_frozen:
            rank_zero_info(f"Epoch {epoch}: norms {'no longer follow' if frozen else 'follow'} the batches.")
        quantization.enter(observing, frozen)

    def _quantize(self, trainer: pl.Trainer, module: ElifPoseModule, datamodule: PoseDataModule) -> None:
        _refuse_compiled(module)
        if self._float_ap is None:
            self._float_ap = validation_ap(trainer, module, datamodule)
        report = prepare(module.network, self.spec)
        loader = datamodule.calibration_dataloader(self.calibration_batches, trainer.current_epoch)
        calibrate(module.network, (batch.images for batch in on_device(loader, module.device)))
        module.quantization.share_all()
        if learned_steps := module.quantization.learned_steps():
            add_parameters(trainer.optimizers[0], _schedulers(trainer), learned_steps)
        for checkpoints in trainer.checkpoint_callbacks:
            if isinstance(checkpoints, ModelCheckpoint) and checkpoints.monitor is not None:
                _choose_anew(checkpoints)
        reached = ""
        if self._float_ap is not None:
            reached = f"; AP of the float network: {self._float_ap:.4f}"
            for logger in trainer.loggers:
                logger.log_metrics({"val/float/AP": self._float_ap}, trainer.global_step)
        rank_zero_info(f"Epoch {trainer.current_epoch}: {report}; calibrated on {len(loader)} batches{reached}")

    def _scale_learning_rates(self, trainer: pl.Trainer, module: ElifPoseModule) -> None:
        factor = self.learning_rate_scale / module.quantization.learning_rate_scale
        if factor != 1:
            scale_learning_rates(trainer.optimizers[0], _schedulers(trainer), factor)
            module.quantization.learning_rate_scale = self.learning_rate_scale

    def _require_own_spec(self, module: ElifPoseModule) -> None:
        spec = cast("QuantizationSpec", module.quantization.spec)
        found, own = spec.arguments(), self.spec.arguments()
        if differing := [f"{name}: {found[name]}, not {own[name]}" for name in own if own[name] != found[name]]:
            raise ElifPoseError(
                f"QATCallback: the network is quantized already, with another spec ({'; '.join(differing)}); give the"
                " callback the same, or a checkpoint from before it was quantized"
            )

    # ------------------------------------------------------------------------------- the integer network's figures

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to measure the integer network."""
        module, datamodule = _checked(trainer, pl_module)
        self._integer = None
        if trainer.state.fn == "fit" and not trainer.sanity_checking and module.quantization.spec is not None:
            self._validations += 1
            every = self.int8_every_n_validations
            if every and self._validations % every == 0:
                self._integer = IntegerEvaluation(module, datamodule)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PoseBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the integer network what the other one saw, by which time an average is in the module."""
        if self._integer is not None:
            self._integer.update(batch, dataloader_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the integer network's average precision."""
        if self._integer is not None:
            for key, value in self._integer.finish().items():
                pl_module.log(f"val/int8/{key}", torch.tensor(value, dtype=torch.float64), prog_bar=key == "AP")
            self._integer = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what the float network reached."""
        is_float = cast("ElifPoseModule", pl_module).quantization.spec is None
        if trainer.state.fn == "fit" and not trainer.sanity_checking and is_float:
            self._float_ap = float(trainer.callback_metrics["val/AP"])

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say so if the fit ended before its network was quantized."""
        if cast("ElifPoseModule", pl_module).quantization.spec is None and self._epochs is not None:
            rank_zero_warn(f"QATCallback: the fit ended before epoch {self._epochs.start}: nothing was quantized")

    def state_dict(self) -> dict[str, Any]:
        """What is not in the network: the float network's AP, and how many quantized validations there were."""
        return {"float_ap": self._float_ap, "validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._float_ap, self._validations = state_dict["float_ap"], state_dict["validations"]


def _checked(trainer: pl.Trainer, module: pl.LightningModule) -> tuple[ElifPoseModule, PoseDataModule]:
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(module, ElifPoseModule) or not isinstance(datamodule, PoseDataModule):
        raise ElifPoseError("QATCallback needs an ElifPoseModule and a PoseDataModule: fit with these, or without it")
    return module, datamodule


def _refuse_compiled(module: ElifPoseModule) -> None:
    """Raise if a part of the module was compiled: compiled code would go on with the layers that it knew."""
    if getattr(module, "_compiler_ctx", None) is not None or any(
        part._compiled_call_impl is not None or hasattr(part, "_orig_mod") for part in module.modules()
    ):
        raise ElifPoseError(
            "QATCallback: the network was compiled, and cannot be quantized so in the middle of a fit; fit without"
            " torch.compile"
        )


def _choose_anew(checkpoints: ModelCheckpoint) -> None:
    """Forget the best checkpoints: a quantized network that is a little worse would leave none."""
    checkpoints.best_k_models = {}
    checkpoints.kth_best_model_path = ""
    checkpoints.best_model_path = ""
    checkpoints.best_model_score = checkpoints.current_score = None


def _schedulers(trainer: pl.Trainer) -> list[Any]:
    return [config.scheduler for config in trainer.lr_scheduler_configs]
