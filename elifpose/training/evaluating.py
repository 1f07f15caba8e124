"""The half of the LightningModule that evaluates: what the network says, and what that is worth."""

from collections.abc import Callable
from typing import Literal, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.evaluation.calibration import fit_calibration
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.evaluation.settings import Evaluation
from elifpose.models import PoseEstimator
from elifpose.quantization import convert, is_prepared
from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.training.artefact import Artefact
from elifpose.training.evaluators import Evaluators, Split, tagged_figures
from elifpose.training.prediction import PosePrediction
from elifpose.utils.errors import ElifPoseError

Precision = Literal["float", "int8"]
"""The network as it is, fake quantization included, or converted to integers."""


class EvaluatingModule(pl.LightningModule):
    """Validates, tests and predicts.

    Args:
        network: What is evaluated; it normalises its images itself.
        codec: How its bins become keypoints.
        skeleton: The keypoints that it answers with.
        flip_test: Whether the image's and the mirrored image's logits are averaged.
        evaluation: How predictions are judged.

    Attributes:
        evaluations: By data set, what came out of the last validation, test or prediction; the same in every process.
        split: Which of these it was.
        precision: What validation, test and prediction run: the network as it is, or, of a quantized one, what
            :func:`elifpose.quantization.convert` makes of it.
        artefact: An exported file that is evaluated in place of the network; None for the network.
        calibration: What keypoint scores mean, fitted at each validation of a fit and kept in checkpoints; None
            before.
    """

    def __init__(
        self, network: PoseEstimator, codec: SimCC, skeleton: Skeleton, flip_test: bool, evaluation: Evaluation
    ) -> None:
        super().__init__()
        self.network = network
        self.codec = codec
        self.skeleton = skeleton
        self.flip_test = flip_test
        self.evaluation = evaluation
        self.evaluations: dict[str, SetEvaluation] = {}
        self.split: Split = "val"
        self.precision: Precision = "float"
        self.artefact: Artefact | None = None
        self._integer: Callable[[Tensor], PosePrediction] | None = None
        self.calibration: ScoreCalibration | None = None
        self._evaluators = Evaluators(skeleton, evaluation)
        self.register_buffer("flip_indices", torch.tensor(skeleton.flip_indices), persistent=False)

    @property
    def datamodule(self) -> PoseDataModule | None:
        """The data module that the trainer runs on, if it is ElifPose's."""
        datamodule = getattr(self._trainer, "datamodule", None)
        return datamodule if isinstance(datamodule, PoseDataModule) else None

    @override
    def forward(self, images: Tensor) -> PosePrediction:
        """Keypoints of crops, ``(N, 3, H, W)`` uint8 or float RGB; with the flip test where it is on."""
        return self._predicted_by(self.network, images)

    def integer_predictor(self) -> Callable[[Tensor], PosePrediction]:
        """What :meth:`forward` would be with the network converted to integers, as its weights are now.

        It computes in float32 whatever the trainer's precision is: so it does what integers do.

        Raises:
            ElifPoseError: The network is not quantized, or a range of it is not finite.
        """
        # In a closure, where it is no part of the module's state.
        integer = cast("PoseEstimator", convert(self.network))

        def predict(images: Tensor) -> PosePrediction:
            with torch.autocast(images.device.type, enabled=False):
                return self._predicted_by(integer, images)

        return predict

    def _predicted_by(self, network: PoseEstimator, images: Tensor) -> PosePrediction:
        flip_indices = cast("Tensor", self.flip_indices)
        logits = network.forward_flip_test(images, flip_indices) if self.flip_test else network(images)
        return PosePrediction(*self.codec.decode(*logits))  # bins to input pixels

    @override
    def on_validation_epoch_start(self) -> None:
        self._start("val")

    @override
    def on_test_epoch_start(self) -> None:
        self._start("test")

    @override
    def on_predict_epoch_start(self) -> None:
        self._start("predict")

    @override
    def validation_step(self, batch: PoseBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._evaluate(batch, dataloader_idx)

    @override
    def test_step(self, batch: PoseBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._evaluate(batch, dataloader_idx)

    @override
    def predict_step(self, batch: PoseBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._evaluate(batch, dataloader_idx)

    @override
    def on_validation_epoch_end(self) -> None:
        self.evaluations = self._evaluators.finish()
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.calibration = self._fit_calibration() or self.calibration
        self._log_figures()

    @override
    def on_test_epoch_end(self) -> None:
        self.evaluations = self._evaluators.finish()
        self._log_figures()

    @override
    def on_predict_epoch_end(self) -> None:
        self.evaluations = self._evaluators.finish()

    def _start(self, split: Split) -> None:
        if self.datamodule is None:
            raise ElifPoseError("evaluation needs a PoseDataModule: it holds the ground truth")
        if self.precision == "int8" and not is_prepared(self.network):
            raise ElifPoseError(
                "--precision int8: the network is a float one; quantize it by a fit with QATCallback first (--config"
                " configs/qat.yaml --model.init_from FILE), or evaluate it with --precision float"
            )
        self._integer = self.integer_predictor() if self.precision == "int8" else None
        self.split = split
        self._evaluators.start(split, self.datamodule.sets_of(split), self.device)

    def _evaluate(self, batch: PoseBatch, dataloader_idx: int) -> dict[str, Tensor]:
        predict = self._integer or self.artefact or self
        prediction: PosePrediction = predict(batch.images)
        self._evaluators.update(dataloader_idx, prediction, batch)
        return prediction._asdict()

    def _fit_calibration(self) -> ScoreCalibration | None:
        scores, correct = zip(*(of_set.scored_keypoints() for of_set in self.evaluations.values()), strict=True)
        return fit_calibration(np.concatenate(scores), np.concatenate(correct))

    def _log_figures(self) -> None:
        for key, value in tagged_figures(self.evaluations).items():
            # As tensors: a bare float would be logged in float32.
            self.log(f"{self.split}/{key}", torch.tensor(value, dtype=torch.float64), prog_bar=key == "AP")
