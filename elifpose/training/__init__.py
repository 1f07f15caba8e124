"""Fits and evaluations by Lightning: the module, its optimisation, its callbacks and its command line."""

from elifpose.training.module import ElifPoseModule
from elifpose.training.prediction import PosePrediction

__all__ = ["ElifPoseModule", "PosePrediction"]
