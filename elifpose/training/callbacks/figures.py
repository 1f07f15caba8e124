"""Pictures for the dashboard: what the network sees and what it says."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.training.module import ElifPoseModule, PosePrediction
from elifpose.utils.errors import ElifPoseError


class PredictionFigures(Callback):
    """Draws predictions over the first people of each validation set and gives the figure to the loggers.

    Any logger whose ``experiment`` has ``add_figure`` (as TensorBoard's has) receives it, tagged
    ``val/<set>/predictions``.

    Args:
        people: How many people are drawn; 0 switches the figures off.
        every_n_validations: Draw at each n-th validation.
    """

    def __init__(self, people: int = 16, every_n_validations: int = 1) -> None:
        if people < 0 or every_n_validations < 1:
            raise ElifPoseError(
                "figures: people must be 0 or more and every_n_validations at least 1, not"
                f" people={people} and every_n_validations={every_n_validations}"
            )
        self.people = people
        self.every_n_validations = every_n_validations
        self._validations = 0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the validations of the fit; the sanity check is none."""
        if not trainer.sanity_checking:
            self._validations += 1

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
        wanted = self.people and not trainer.sanity_checking and self._validations % self.every_n_validations == 0
        if batch_idx or not wanted or not trainer.is_global_zero:
            return
        if not isinstance(pl_module, ElifPoseModule) or pl_module.datamodule is None:
            raise TypeError("PredictionFigures draws what an ElifPoseModule says of a PoseDataModule")
        name = list(pl_module.datamodule.val_sets)[dataloader_idx]
        figure = prediction_figure(batch, PosePrediction(**outputs), pl_module.skeleton, self.people)
        for logger in trainer.loggers:
            add_figure = getattr(getattr(logger, "experiment", None), "add_figure", None)
            if callable(add_figure):
                add_figure(f"val/{name}/predictions", figure, global_step=trainer.global_step)


def prediction_figure(
    batch: PoseBatch, prediction: PosePrediction, skeleton: Skeleton, people: int = 16, columns: int = 8
) -> Figure:
    """Crops with the predicted skeleton as lines and the annotated keypoints as white rings.

    Args:
        batch: At least one person.
        prediction: Of the same people.
        skeleton: Gives the links and their colours: green for the person's left, orange for the right.
        people: At most so many of them.
        columns: Crops side by side.
    """
    count = min(people, len(batch.images))
    columns = min(columns, count)
    rows = -(-count // columns)
    height, width = batch.images.shape[2:]
    figure = Figure(figsize=(1.6 * columns, 1.6 * rows * height / width), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    images = batch.images[:count].permute(0, 2, 3, 1).cpu().numpy()
    keypoints = prediction.keypoints_input[:count].float().cpu().numpy()
    truth = batch.keypoints_input[:count].cpu().numpy()
    labelled = (batch.weights[:count] > 0).cpu().numpy()
    for index in range(count):
        axis = axes[index]
        axis.imshow(images[index])
        for link, (start, end) in zip(skeleton.links, skeleton.link_indices, strict=True):
            ends = keypoints[index, [start, end]]
            axis.plot(ends[:, 0], ends[:, 1], color=np.array(link.color) / 255, linewidth=1.2)
        axis.scatter(*truth[index, labelled[index]].T, s=6, facecolors="none", edgecolors="white", linewidths=0.6)
        axis.set_xlim(-0.5, width - 0.5)
        axis.set_ylim(height - 0.5, -0.5)
    return figure
