"""Necks: feature maps of several strides in, feature maps that have seen each other out."""

from elifpose.models.necks.cspnext_pafpn import CSPNeXtPAFPN

__all__ = ["CSPNeXtPAFPN"]
