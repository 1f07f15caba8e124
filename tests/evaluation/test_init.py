import subprocess
import sys

import pytest

import elifpose.evaluation

HEAVY = ("lightning", "torchmetrics", "pycocotools", "cv2", "jsonargparse", "matplotlib", "rich")


def test_losses_and_oks_need_torch_and_numpy_alone() -> None:
    script = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # None in sys.modules: importing it fails
import elifpose.evaluation
import elifpose.evaluation.losses
import elifpose.evaluation.oks
try:
    elifpose.evaluation.KeypointAP
except ImportError:
    sys.exit(0)
sys.exit("KeypointAP came without torchmetrics: the modules were not blocked")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", elifpose.evaluation.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(elifpose.evaluation, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match=r"'elifpose.evaluation' has no attribute 'keypoint_app'"):
        _ = elifpose.evaluation.keypoint_app  # type: ignore[attr-defined]


def test_average_precision_on_arrays_needs_no_pycocotools() -> None:
    script = """
import sys
sys.modules["pycocotools"] = None
from elifpose.evaluation import coco_keypoint_figures
assert coco_keypoint_figures({"images": []}, []) == [-1.0] * 10
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
