"""Heads: feature maps in, SimCC logits (or, for training only, heatmaps) out."""

from elifpose.models.heads.auxiliary import AuxiliaryHeatmap
from elifpose.models.heads.rtmcc import RTMCCHead

__all__ = ["AuxiliaryHeatmap", "RTMCCHead"]
