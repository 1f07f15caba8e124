"""Libraries' notes to each other, which no user can act on."""

import logging
import warnings

_NOISE = (
    r".*LeafSpec",  # lightning 2.6.6 asks torch 2.13 for a class by its old name
    r"(?s)\s*.*(was deprecated in v4|JsonargparseDeprecationWarning)",  # lightning's calls of jsonargparse 4
    r"Precision .* is not supported by the model summary",
    r"The dirpath has changed",  # each run has a folder of its own
    r"It is recommended to use .self.log.*sync_dist",  # our figures are of all processes already
    r"You are using a custom batch sampler",  # ours says of itself whom it shows
    r"Grad strides do not match bucket view strides",  # torch on 1x1 kernels in channels-last memory; harmless
)


def quiet_libraries() -> None:
    """Keep them from the user, for the rest of the process."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_tip)


def quiet_evaluation() -> None:
    """Say nothing of callbacks of the fit, such as its average, that an evaluation needs none of."""
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used")


def _is_no_tip(record: logging.LogRecord) -> bool:
    """Whether a line is about the run, and no advertisement."""
    return not record.getMessage().startswith("💡")
