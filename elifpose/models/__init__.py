"""The network and its checkpoints, on torch and NumPy alone: ``from elifpose.models import PoseEstimator``."""

from elifpose.models.backbones.cspnext import CSPNeXt
from elifpose.models.checkpoint import load_checkpoint, load_network, save_network
from elifpose.models.heads.auxiliary import AuxiliaryHeatmap
from elifpose.models.heads.rtmcc import RTMCCHead
from elifpose.models.necks.cspnext_pafpn import CSPNeXtPAFPN
from elifpose.models.necks.neck import Neck
from elifpose.models.pose_estimator import PoseEstimator

__all__ = [
    "AuxiliaryHeatmap",
    "CSPNeXt",
    "CSPNeXtPAFPN",
    "Neck",
    "PoseEstimator",
    "RTMCCHead",
    "load_checkpoint",
    "load_network",
    "save_network",
]
