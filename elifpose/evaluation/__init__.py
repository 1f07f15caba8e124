"""How good a network is: losses, OKS, average precision, and errors in pixels.

The names below are imported when they are first asked for, so that `elifpose.evaluation.losses` and
`elifpose.evaluation.oks` need torch and NumPy alone, without torchmetrics and pycocotools.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["FIGURE_NAMES", "KeypointAP", "coco_keypoint_figures"]

if TYPE_CHECKING:
    from elifpose.evaluation.average_precision import FIGURE_NAMES
    from elifpose.evaluation.coco_figures import coco_keypoint_figures
    from elifpose.evaluation.keypoint_ap import KeypointAP
else:
    _MODULES = {
        "FIGURE_NAMES": "average_precision",
        "KeypointAP": "keypoint_ap",
        "coco_keypoint_figures": "coco_figures",
    }

    def __getattr__(name):
        """Import what `__all__` names on first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
