"""What the report says in plain words: what was found, how, and what it cannot tell."""

import numpy as np

from elifpose.biomechanics import muscle_model
from elifpose.inference.analysis import Analysis, SideAnalysis
from elifpose.inference.plots import muscle_title
from elifpose.inference.summary import extent


def number(value: float, form: str = "z.0f") -> str:
    """A number with a true minus sign."""
    return f"{value:{form}}".replace("-", "−")


def summary(analysis: Analysis) -> list[str]:
    """What was found, in sentences."""
    recording, way = analysis.recording, "right" if analysis.facing > 0 else "left"
    view = "" if np.isnan(analysis.yaw_deg) else f", seen about {analysis.yaw_deg:.0f}° from side-on"
    seconds = recording.frames / recording.fps
    frames = f"{seconds:.1f} seconds ({recording.frames} frames) were analysed."
    sentences = [f"{frames} The person faces the picture's {way}{view}."]
    for side in analysis.sides.values():
        sentences += [_of_angles(side), _of_muscles(side)]
    strides = [f"{len(side.strikes) - 1} {side.side}" for side in analysis.sides.values() if len(side.strikes) > 1]
    if strides:
        sentences.append(
            f"Strides from heel strike to heel strike: {' and '.join(strides)}; means leave out those with gaps."
        )
    else:
        sentences.append("No two heel strikes of one foot were found, so there is no gait cycle.")
    return [sentence for sentence in sentences if sentence]


def method(analysis: Analysis) -> list[str]:
    """How it was done, in sentences."""
    settings = analysis.settings
    model = muscle_model(settings.model)
    neutral = (
        "the model's neutral standing (hip, knee and ankle at 0°)"
        if settings.neutral_s is None
        else f"quiet standing from {settings.neutral_s[0]:g} to {settings.neutral_s[1]:g} s of this recording"
    )
    smoothed = f"smoothed without delay (Butterworth, order 4, {settings.cutoff_hz:g} Hz, forwards and backwards)"
    if settings.cutoff_hz >= analysis.recording.fps / 2:
        smoothed = "not smoothed: too few frames per second"
    return [
        "A network marked 26 points of the body in each frame, or they were read from a file. Points with a score "
        f"below {settings.min_score:g} count as not seen; gaps of up to {settings.max_gap_s:g} s are bridged by a "
        "straight line, longer ones stay empty. Where left and right leg were exchanged for some frames, they are "
        "put back.",
        "Angles are those between the body's segments in the picture: hip between trunk and thigh, knee between "
        "thigh and shank, ankle between shank and sole. Flexion and dorsiflexion are positive; 0° is standing "
        "upright with straight knees and the sole at right angles to the shank.",
        f"Angles are {smoothed}.",
        f"The length of a muscle with its tendon is computed from these angles by the model {model.name}, and given "
        f"in percent of the length in {neutral}: 105 % is 5 % longer.",
        "Heel strikes are where the heel is farthest in front of the hips (Zeni et al. 2008).",
    ]


def limits(analysis: Analysis) -> list[str]:
    """How far to trust it, in sentences."""
    sentences = [
        "Nothing here was measured on the muscle. A length is what an average body would have at these joint "
        "angles; it says nothing of force, of activity, or of how muscle and tendon share the length.",
        "One camera sees a flat picture. Turning of the leg, and a view that is not from the side, change the "
        "angles: by up to 2° at 20° from side-on, and by 11° at 45°.",
        "There is no marker on the pelvis: bending of the lumbar spine counts as hip flexion.",
        "Points found by a network are off by some pixels, and the leg away from the camera is half hidden. "
        "Published comparisons of such 2D systems with marker-based motion capture in walking found mean errors of "
        "4° at the hip, 6° at the knee and 7° at the ankle (Stenum et al. 2021). This recording was not compared.",
        "Changes over time, and between two recordings made alike, are safer than single values; compare only "
        "results of the same model.",
    ]
    model = muscle_model(analysis.settings.model)
    if model.dorsiflexion_range is not None:
        lowest, highest = model.dorsiflexion_range
        sentences.append(
            f"The model is stated for an ankle between {number(lowest)}° and {number(highest)}° of dorsiflexion."
        )
    doubtful = [muscle_title(name) for name in analysis.settings.muscles if model.muscle(name).experimental]
    if doubtful:
        sentences.append(f"Experimental, with weakly supported coefficients: {', '.join(doubtful)}.")
    return sentences


def setting(value: object) -> str:
    """A setting's value as people write it."""
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(muscle_title(setting(part)) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_angles(side: SideAnalysis) -> str:
    parts = []
    for joint, angle in side.angles._asdict().items():
        lowest, highest, _ = extent(angle)
        known = not np.isnan(lowest)
        parts.append(f"{joint} {number(lowest)}° to {number(highest)}°" if known else f"{joint} not known")
    return f"{side.side.capitalize()} leg: {', '.join(parts)}."


def _of_muscles(side: SideAnalysis) -> str:
    """Which muscle's length changed most."""
    extents = {name: extent(curve.percent) for name, curve in side.muscles.items()}
    ranges = {name: covered.range for name, covered in extents.items() if np.isfinite(covered.range)}
    if not ranges:
        return ""
    most = max(ranges, key=lambda name: ranges[name])
    lowest, highest, _ = extents[most]
    return (
        f"Of the {side.side} leg's muscles the {muscle_title(most)} changed its length most: between {lowest:.0f} "
        f"and {highest:.0f} % of its length in neutral standing."
    )
