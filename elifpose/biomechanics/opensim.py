"""Joint angles under OpenSim's names and signs, for ``.mot`` files."""

from typing import Literal

from elifpose.biomechanics.angles import JointAngles
from elifpose.biomechanics.points import FloatArray, Side

OpenSimModel = Literal["rajagopal2016", "gait2392"]

_KNEE_SIGN: dict[OpenSimModel, int] = {"rajagopal2016": 1, "gait2392": -1}


def opensim_coordinates(
    angles: JointAngles, side: Side, model: OpenSimModel = "rajagopal2016"
) -> dict[str, FloatArray]:
    """One leg's angles as coordinates of an OpenSim model.

    Hip flexion and ankle dorsiflexion are positive in both; knee flexion is positive in Rajagopal2016 (Rajagopal et
    al., IEEE Trans. Biomed. Eng. 63, 2016) and negative in gait2392 (Delp et al., IEEE Trans. Biomed. Eng. 37, 1990).
    The lumbar spine's flexion is in the hip's (see `JointAngles`), since keypoints show no pelvis.

    Args:
        angles: Degrees.
        side: The person's own side.
        model: The convention.

    Returns:
        ``hip_flexion_r``, ``knee_angle_r``, ``ankle_angle_r`` (or ``_l``): ``(T,)``, degrees.
    """
    end = side[0]
    return {
        f"hip_flexion_{end}": angles.hip,
        f"knee_angle_{end}": _KNEE_SIGN[model] * angles.knee,
        f"ankle_angle_{end}": angles.ankle,
    }
