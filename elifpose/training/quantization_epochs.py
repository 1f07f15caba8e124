"""When what happens in quantization-aware training: shares of a fit and epochs, made epochs."""

import math
from collections.abc import Mapping
from typing import NamedTuple, Self

from elifpose.utils.errors import ElifPoseError


class QuantizationEpochs(NamedTuple):
    """Epochs of a fit, its first being 0."""

    start: int
    """The first in which the network is quantized."""
    stop_observing: int
    """The first in which ranges stay as they are."""
    freeze_batch_norm: int
    """The first in which norms stay as they are."""

    @classmethod
    def in_fit(cls, start: float, stop_observing: float, freeze_batch_norm: float, max_epochs: int | None) -> Self:
        """Shares of the fit and epochs as epochs.

        >>> QuantizationEpochs.in_fit(0.8, 0.9, 11, max_epochs=12)
        QuantizationEpochs(start=9, stop_observing=10, freeze_batch_norm=11)

        Args:
            start: See :func:`require_moments`, as for the others.
            stop_observing: Not before ``start``.
            freeze_batch_norm: Not before ``start``.
            max_epochs: Length of the fit; None or -1 where it has no last epoch.

        Raises:
            ElifPoseError: A share is given of a fit without an end, or the order is wrong, or nothing would happen.
        """
        moments = (start, stop_observing, freeze_batch_norm)
        endless = max_epochs is None or max_epochs < 0
        if endless and any(0 < moment < 1 for moment in moments):
            raise ElifPoseError(
                "QATCallback counts in shares of the fit, but the fit has no last epoch: give --trainer.max_epochs,"
                " or epochs for start, stop_observing and freeze_batch_norm"
            )
        length = 0 if endless or max_epochs is None else max_epochs
        epochs = cls(*(_epoch(moment, length) for moment in moments))
        if not endless and epochs.start >= max(length, 1):
            raise ElifPoseError(
                f"QATCallback: start is epoch {epochs.start}, and the fit's last is {length - 1}; start earlier, with"
                " 0 for the first epoch or a share of the fit below 1"
            )
        if min(epochs) < epochs.start:
            raise ElifPoseError(
                f"QATCallback: start is epoch {epochs.start}, stop_observing {epochs.stop_observing} and"
                f" freeze_batch_norm {epochs.freeze_batch_norm}; neither may come before the start"
            )
        return epochs


def require_moments(moments: Mapping[str, float]) -> None:
    """Check moments of a fit: shares of its epochs below 1, and from 1 on whole epochs.

    Args:
        moments: By the names of the arguments, for the error.

    Raises:
        ElifPoseError: One is neither.
    """
    for name, moment in moments.items():
        if not moment >= 0 or (moment > 1 and moment % 1):
            raise ElifPoseError(
                f"QATCallback: {name} is {moment}; give a share of the fit's epochs, from 0 to below 1, or an epoch"
            )


def _epoch(moment: float, epochs: int) -> int:
    return int(moment) if moment >= 1 else math.floor(moment * epochs + 1e-9)  # 0.29 · 100 is a little less than 29
