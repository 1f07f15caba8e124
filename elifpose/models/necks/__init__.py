"""Necks: feature maps of several strides in, feature maps that have seen each other out."""

from elifpose.models.necks.cspnext_pafpn import CSPNeXtPAFPN
from elifpose.models.necks.neck import Neck

__all__ = ["CSPNeXtPAFPN", "Neck"]
