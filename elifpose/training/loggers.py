"""Pictures and texts for whatever logger takes them."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CometLogger, Logger, MLFlowLogger, WandbLogger
from matplotlib.figure import Figure

from elifpose.utils.drawing import pixels


def takes_figures(trainer: pl.Trainer) -> bool:
    """Whether this process has a logger that a figure can be given to: if not, it need not be drawn."""
    return trainer.is_global_zero and any(
        isinstance(logger, (WandbLogger, MLFlowLogger, CometLogger)) or _method(logger, "add_figure")
        for logger in trainer.loggers
    )


def log_figure(trainer: pl.Trainer, tag: str, figure: Figure) -> None:
    """Give a figure to the loggers, at the trainer's step.

    Weights & Biases gets it as an image, Comet as a figure, MLflow as an artefact ``<tag>/step_<step>.png``, and any
    other logger whose ``experiment`` has ``add_figure``, as TensorBoard's has, by that. The rest get nothing.

    Args:
        trainer: Whose loggers; of processes other than the first, nothing is logged.
        tag: What the figure is called, such as ``val/coco/worst``.
        figure: What is drawn.
    """
    if not trainer.is_global_zero:
        return
    step = trainer.global_step
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(tag, [pixels(figure)], step=step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_figure(logger.run_id, figure, f"{tag}/step_{step}.png")
        elif isinstance(logger, CometLogger):
            logger.experiment.log_figure(figure_name=tag, figure=figure, step=step)
        elif add_figure := _method(logger, "add_figure"):
            add_figure(tag, figure, global_step=step)


def log_text(trainer: pl.Trainer, tag: str, text: str) -> None:
    """Give a text to the loggers, at the trainer's step; TensorBoard reads it as Markdown.

    Weights & Biases gets it as a table, Comet as a text, MLflow as an artefact ``<tag>.txt``, and any other logger
    whose ``experiment`` has ``add_text``, as TensorBoard's has, by that.

    Args:
        trainer: Whose loggers; of processes other than the first, nothing is logged.
        tag: What the text is called.
        text: What it says.
    """
    if not trainer.is_global_zero:
        return
    step = trainer.global_step
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_text(tag, columns=["text"], data=[[text]], step=step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_text(logger.run_id, text, f"{tag}.txt")
        elif isinstance(logger, CometLogger):
            logger.experiment.log_text(text, step=step, metadata={"tag": tag})
        elif add_text := _method(logger, "add_text"):
            add_text(tag, text, global_step=step)


def _method(logger: Logger, name: str) -> Any:
    """A method of the logger's ``experiment``; None if it has none."""
    method = getattr(getattr(logger, "experiment", None), name, None)
    return method if callable(method) else None
