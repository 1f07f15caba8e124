"""Pictures for the dashboard: what the network sees, what it says, and what that is worth."""

from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.evaluation.people import IntArray
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.structures.batch import PoseBatch, collate
from elifpose.training.figures import (
    error_figure,
    keypoint_figure,
    mirrored_figure,
    people_figure,
    precision_recall_figure,
    reliability_figure,
    simcc_figure,
    similarity_titles,
)
from elifpose.training.figures.people import to_input_frame
from elifpose.training.loggers import log_figure, takes_figures
from elifpose.training.module import ElifPoseModule
from elifpose.utils.errors import ElifPoseError

_EXTREMES = 12


class Figures(Callback):
    """Draws what the network sees and says, and gives the figures to the loggers.

    Before the first step of a fit a training sample beside its mirrored self, ``train/mirrored``. Of each validation,
    tagged ``val/<set>/…``:

    - ``predictions``: the set's first people with annotations and predictions;
    - ``simcc``: the first person's logits over the bins of some keypoints;
    - ``worst``, ``best``: the 12 people of lowest and of highest OKS;
    - ``errors``, ``keypoints``: distances from the truth over all, and figures of each keypoint;
    - ``precision_recall``: at three OKS thresholds;
    - ``reliability``: what scores promise against what they keep.

    What needs annotated people is left out where there are none. The first process alone draws, and the others do not
    wait for it.

    Args:
        enabled: Whether anything is drawn.
        people: How many people ``predictions`` shows at most; they are of the first batch.
        every_n_validations: Draw at each n-th validation of a fit; a validation by itself is always drawn.
    """

    def __init__(self, enabled: bool = True, people: int = 16, every_n_validations: int = 1) -> None:
        if people < 1 or every_n_validations < 1:
            raise ElifPoseError(
                f"figures: people is {people} and every_n_validations {every_n_validations}; both must be at least 1"
                " (--figures.enabled=false draws nothing)"
            )
        self.enabled = enabled
        self.people = people
        self.every_n_validations = every_n_validations
        self._validations = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Draw the first batch of a new fit, as augmentation left it."""
        if self.enabled and trainer.global_step == 0 and batch_idx == 0 and takes_figures(trainer):
            module, _ = _checked(pl_module)
            log_figure(trainer, "train/mirrored", mirrored_figure(batch, module.skeleton))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the validations of the fit; the sanity check is none."""
        if not trainer.sanity_checking:
            self._validations += 1

    def _draws(self, trainer: pl.Trainer) -> bool:
        if not self.enabled or trainer.sanity_checking or not takes_figures(trainer):
            return False
        return trainer.state.fn != "fit" or self._validations % self.every_n_validations == 0

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PoseBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the first batch of each set."""
        if batch_idx or not self._draws(trainer) or not len(batch.images):
            return
        module, sets = _checked(pl_module)
        name = list(sets)[dataloader_idx]
        few = PoseBatch(*(field[: self.people] for field in batch))
        keypoints = outputs["keypoints_input"][: self.people]
        titles = similarity_titles(few, keypoints, module.skeleton)
        log_figure(trainer, f"val/{name}/predictions", people_figure(few, keypoints, module.skeleton, titles))
        with trainer.precision_plugin.forward_context():
            logits = module.network(batch.images[:1])
        log_figure(trainer, f"val/{name}/simcc", simcc_figure(batch, logits, module.codec, module.skeleton))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what came out of each set."""
        if not self._draws(trainer):
            return
        module, sets = _checked(pl_module)
        for name, evaluation in module.evaluations.items():
            for kind, figure in evaluation_figures(evaluation, sets[name], module.calibration):
                log_figure(trainer, f"val/{name}/{kind}", figure)


def _checked(module: pl.LightningModule) -> tuple[ElifPoseModule, dict[str, PoseDataset]]:
    """The module and its validation sets."""
    if not isinstance(module, ElifPoseModule) or module.datamodule is None:
        raise TypeError("Figures draws what an ElifPoseModule says of a PoseDataModule")
    return module, module.datamodule.val_sets


def evaluation_figures(
    evaluation: SetEvaluation, data_set: PoseDataset, calibration: ScoreCalibration | None
) -> Iterator[tuple[str, Figure]]:
    """What can be drawn of an evaluation, by name.

    Args:
        evaluation: Of a whole data set.
        data_set: Whose people are shown.
        calibration: What scores mean, if known.
    """
    if evaluation.has_truth:
        yield "precision_recall", precision_recall_figure(evaluation.curves)
    if not evaluation.predictions.labelled.any():
        return
    similarities = evaluation.similarities
    ranked = np.argsort(similarities)  # NaN last
    ranked = ranked[: np.count_nonzero(~np.isnan(similarities))]
    yield "worst", _shown_again(evaluation, data_set, ranked[:_EXTREMES])
    yield "best", _shown_again(evaluation, data_set, ranked[::-1][:_EXTREMES])
    if not np.isnan(evaluation.relative_distances).all():  # as in boxes without a size
        yield "errors", error_figure(evaluation.relative_distances)
    yield "keypoints", keypoint_figure(evaluation.per_keypoint)
    scores, correct = evaluation.scored_keypoints()
    if np.isfinite(scores).any():
        yield "reliability", reliability_figure(scores, correct, calibration)


def _shown_again(evaluation: SetEvaluation, data_set: PoseDataset, people: IntArray) -> Figure:
    """People at some positions of the predictions, cropped anew, each with OKS and image id."""
    of = evaluation.predictions
    batch = collate(data_set.__getitems__(of.sample_indices[people].tolist()))
    keypoints_input = to_input_frame(torch.from_numpy(of.keypoints[people]), batch.input_to_image.double())
    titles = [
        f"OKS {similarity:.2f}\nimage {image_id}"
        for similarity, image_id in zip(evaluation.similarities[people], of.image_ids[people], strict=True)
    ]
    return people_figure(batch, keypoints_input, evaluation.skeleton, titles, columns=_EXTREMES // 2)
