"""What can be added to a fit by ``--trainer.callbacks``, and what every fit has."""

from elifpose.training.callbacks.augment_switch import AugmentationSwitch
from elifpose.training.callbacks.dashboard import Dashboard
from elifpose.training.callbacks.ema import ExponentialMovingAverage
from elifpose.training.callbacks.figures import Figures
from elifpose.training.callbacks.last_checkpoint import LastCheckpoint
from elifpose.training.callbacks.qat import QATCallback
from elifpose.training.callbacks.quantization_report import QuantizationReport
from elifpose.training.callbacks.report import Report
from elifpose.training.callbacks.set_shares import SetShares
from elifpose.training.callbacks.timing import Timing

__all__ = [
    "AugmentationSwitch",
    "Dashboard",
    "ExponentialMovingAverage",
    "Figures",
    "LastCheckpoint",
    "QATCallback",
    "QuantizationReport",
    "Report",
    "SetShares",
    "Timing",
]
