import numpy as np
import pytest

from elifpose.biomechanics.angles import JointAngles
from elifpose.biomechanics.opensim import OpenSimModel, opensim_coordinates


@pytest.mark.parametrize(("model", "sign"), [("rajagopal2016", 1), ("gait2392", -1)])
def test_names_and_signs_are_the_model_s(model: OpenSimModel, sign: int) -> None:
    angles = JointAngles(np.array([30.0]), np.array([60.0]), np.array([-10.0]))
    assert opensim_coordinates(angles, "right", model) == {
        "hip_flexion_r": 30,
        "knee_angle_r": sign * 60,
        "ankle_angle_r": -10,
    }
    assert list(opensim_coordinates(angles, "left", model)) == ["hip_flexion_l", "knee_angle_l", "ankle_angle_l"]
