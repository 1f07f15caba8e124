"""Lengths of muscle-tendon units from joint angles: estimates of a model, not measurements."""

import numpy as np

from elifpose.biomechanics.muscles import muscle_model
from elifpose.biomechanics.points import BoolArray, FloatArray, check_fps
from elifpose.utils.errors import ElifPoseError


def mtu_length(model: str, muscle: str, hip: FloatArray, knee: FloatArray, ankle: FloatArray) -> FloatArray:
    """Length of one muscle-tendon unit over time, in the model's own unit.

    ``hawkins_hull_1990``: length over the muscle's segment (thigh or shank, `Muscle.segment`). ``grieve_1978``: the
    change from ankle 90° and knee 90°, in percent of the shank's length. `MuscleModel.citations` belong to every
    figure. Only the joints that the muscle crosses count: others may be missing.

    Args:
        model: One of `MODELS`.
        muscle: One of the model's muscles.
        hip: ``(T,)``, degrees, flexion +, as `joint_angles` gives them: not radians.
        knee: ``(T,)``, degrees, flexion +.
        ankle: ``(T,)``, degrees, dorsiflexion +, 0 neutral; the model's φ is 90 more.

    Returns:
        ``(T,)`` float64, NaN where an angle that is needed is missing.

    Raises:
        ElifPoseError: If there is no such model or muscle.
    """
    chosen = muscle_model(model).muscle(muscle)
    phi = np.asarray(ankle, dtype=np.float64) + 90.0
    terms = (
        (chosen.hip, hip),
        (chosen.knee, knee),
        (chosen.knee_squared, np.square(knee)),
        (chosen.ankle, phi),
        (chosen.ankle_squared, np.square(phi)),
    )
    lengths = np.full(phi.shape, chosen.constant)
    for coefficient, values in terms:
        if coefficient:  # 0 · NaN would be NaN
            lengths = lengths + coefficient * np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(lengths), lengths, np.nan)


def neutral_length(model: str, muscle: str) -> float:
    """What `mtu_length` gives in neutral standing by the model: hip, knee and ankle at 0°.

    Raises:
        ElifPoseError: If there is no such model or muscle.
    """
    zero = np.zeros(1)
    return float(mtu_length(model, muscle, zero, zero, zero)[0])


def standing_length(lengths: FloatArray, time_s: FloatArray, start_s: float, stop_s: float) -> float:
    """The median of `mtu_length` while the person stands: a neutral length that carries the same keypoint offsets.

    Args:
        lengths: ``(T,)``, unit of the model.
        time_s: ``(T,)``, seconds.
        start_s: First second of quiet standing.
        stop_s: Last second of it.

    Raises:
        ElifPoseError: If no length is known in that time.
    """
    window = lengths[(time_s >= start_s) & (time_s <= stop_s) & np.isfinite(lengths)]
    if not window.size:
        raise ElifPoseError(
            f"no muscle-tendon length is known from {start_s:g} to {stop_s:g} s, the time of neutral standing: "
            "choose a time in which the person stands and the whole leg is seen"
        )
    return float(np.median(window))


def relative_length(model: str, muscle: str, lengths: FloatArray, neutral: float | None = None) -> FloatArray:
    """Length in percent of that in neutral standing: the figure to report, since models agree on it far better.

    ``grieve_1978`` knows changes only: its length in neutral standing is Hawkins & Hull's (of gastrocnemius the
    medial head's).

    Args:
        model: One of `MODELS`.
        muscle: One of the model's muscles.
        lengths: ``(T,)`` from `mtu_length`.
        neutral: Unit of ``lengths``: from `standing_length`; by default `neutral_length`.

    Returns:
        ``(T,)`` float64, 100 in neutral standing; NaN where ``lengths`` are.

    Raises:
        ElifPoseError: If there is no such model or muscle, or a neutral length is not positive.
    """
    chosen = muscle_model(model)
    zero = neutral_length(model, muscle) if neutral is None else neutral
    if muscle in chosen.standing_lengths:
        return np.asarray(100.0 + (lengths - zero) / chosen.standing_lengths[muscle])
    if not zero > 0:
        raise ElifPoseError(f"the neutral length of {muscle} is {zero}, but must be positive")
    return np.asarray(100.0 * lengths / zero)


def mtu_velocity(lengths: FloatArray, fps: float) -> FloatArray:
    """How fast a length changes, by central differences (one-sided in the first and last frame); + lengthening.

    Args:
        lengths: ``(T,)``, any unit, smoothed before: a difference enlarges noise.
        fps: Frames per second.

    Returns:
        ``(T,)``, that unit per second; NaN in frames without a length and beside them, and of fewer than 2 frames.

    Raises:
        ElifPoseError: If ``fps`` is not positive.
    """
    check_fps(fps)
    if len(lengths) < 2:
        return np.full(len(lengths), np.nan)
    velocity = np.gradient(np.asarray(lengths, dtype=np.float64)) * fps
    return np.where(np.isfinite(lengths), velocity, np.nan)


def in_stated_range(model: str, muscle: str, ankle: FloatArray) -> BoolArray:
    """Whether the ankle is where the model is said to hold (`MuscleModel.dorsiflexion_range`; Hawkins & Hull: ±30°).

    Args:
        model: One of `MODELS`.
        muscle: One of the model's muscles; for one that does not cross the ankle nothing is said.
        ankle: ``(T,)``, degrees, dorsiflexion +.

    Returns:
        ``(T,)``; True where nothing is said, otherwise False also where the ankle is missing.

    Raises:
        ElifPoseError: If there is no such model or muscle.
    """
    chosen = muscle_model(model)
    if chosen.dorsiflexion_range is None or not chosen.muscle(muscle).ankle:
        return np.ones(len(ankle), dtype=np.bool_)
    lowest, highest = chosen.dorsiflexion_range
    inside: BoolArray = (ankle >= lowest) & (ankle <= highest)
    return inside
