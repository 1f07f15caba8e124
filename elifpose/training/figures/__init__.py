"""Pictures for the dashboard: pure functions from arrays to matplotlib figures, without pyplot."""

from elifpose.training.figures.curves import precision_recall_figure, reliability_figure
from elifpose.training.figures.errors import error_figure, keypoint_figure
from elifpose.training.figures.mirrored import mirrored_figure
from elifpose.training.figures.people import people_figure, similarity_titles
from elifpose.training.figures.simcc import simcc_figure

__all__ = [
    "error_figure",
    "keypoint_figure",
    "mirrored_figure",
    "people_figure",
    "precision_recall_figure",
    "reliability_figure",
    "simcc_figure",
    "similarity_titles",
]
