"""Backbones: a normalised image in, feature maps out."""

from elifpose.models.backbones.cspnext import CSPNeXt

__all__ = ["CSPNeXt"]
