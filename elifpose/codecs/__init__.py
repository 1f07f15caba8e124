"""How coordinates become what a network predicts, and back: torch only."""

from elifpose.codecs.simcc import SimCC, SimCCTargets

__all__ = ["SimCC", "SimCCTargets"]
