"""What a run's dashboard opens with: curves that belong together, the configuration, and what the run reached."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from elifpose.training.configuration import flat_scalars, resolved_configuration
from elifpose.training.loggers import log_text

LAYOUT = {
    "Overview": {
        "AP of each data set, and their mean": ["Multiline", [r"val/([^/]+/)?AP$"]],
        "losses": ["Multiline", [r"train/loss"]],
        "data share of a step": ["Multiline", [r"time/data_share$"]],
        "share of each data set": ["Multiline", [r"train/share/"]],
    }
}
"""TensorBoard's custom scalars: charts by category, each of the tags that begin as a regular expression says."""
REACHED = ("AP", "AR", "PCK@0.1", "AUC", "EPE")
"""Final figures, of all data sets together, beside the hyperparameters."""
COLUMNS = {
    "Batch size": "data.batch_size",
    "Epochs": "trainer.max_epochs",
    "Learning rate": "model.optimizer.init_args.lr",
    "Weight decay": "model.optimizer.init_args.weight_decay",
    "Width": "model.network.backbone.widen_factor",
}
"""What TensorBoard's table of runs opens with: five columns, the first by name, where capitals come first."""


class Dashboard(Callback):
    """Gives the loggers of a fit its configuration, and TensorBoard an overview and a row in the table of runs.

    * ``configuration``: the resolved configuration as text, for any logger that takes texts.
    * Custom scalars, "Overview": AP and share of each data set, the losses, and the data's share of a step.
    * Hyperparameters: each value of the configuration by its dotted path. TensorBoard gets them at the end of the
      fit, a few by shorter names, with the last validation's figures as ``hp/AP`` …; other loggers at its start.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what is known before the first step."""
        if not trainer.is_global_zero:
            return
        configuration = resolved_configuration(trainer)
        if configuration is not None:
            log_text(trainer, "configuration", f"```yaml\n{configuration}```")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(LAYOUT)
            elif configuration is not None:
                logger.log_hyperparams(flat_scalars(configuration))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the fit reached."""
        configuration = resolved_configuration(trainer)
        if not trainer.is_global_zero or configuration is None:
            return
        figures = trainer.callback_metrics
        reached = {f"hp/{name}": float(figures[f"val/{name}"]) for name in REACHED if f"val/{name}" in figures}
        values = flat_scalars(configuration)
        columns = {name: values.pop(path) for name, path in COLUMNS.items() if path in values}
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(columns | values, reached, trainer.global_step)
