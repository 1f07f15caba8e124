import pytest

from elifpose.datasets.pose_set import PoseSet
from elifpose.utils.errors import ElifPoseError


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(ElifPoseError, match="weight must be positive"):
        PoseSet("a.json", "a", weight=weight)
