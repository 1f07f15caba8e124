"""The state of a fit as it is, to go on from."""

from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """Saves ``last.ckpt`` at the end of every epoch, so that an interrupted fit loses no more than that.

    ``ModelCheckpoint(save_last=True)`` writes its last file only when it writes another one: after an epoch that was
    not the best there is none.

    Args:
        enabled: Whether it is saved.
        dirpath: The folder; that of the run if None.
    """

    def __init__(self, enabled: bool = True, dirpath: str | Path | None = None) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="last",
            save_top_k=1 if enabled else 0,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
