"""Keypoints of one person to joint angles and muscle-tendon lengths, with a reason wherever there is none."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.biomechanics import (
    JointAngles,
    butterworth_lowpass,
    check_body_height,
    facing_direction,
    fill_gaps,
    gait_events,
    gate_keypoints,
    joint_angles,
    mtu_length,
    mtu_velocity,
    muscle_model,
    neutral_length,
    pixels_per_metre,
    relative_length,
    repair_sides,
    segment_lengths,
    standing_length,
    view_yaw,
)
from elifpose.biomechanics.angles import Facing
from elifpose.biomechanics.points import SIDES, Side
from elifpose.inference.reasons import frame_reasons, trial_warnings
from elifpose.inference.recording import BoolArray, FloatArray, Recording, Track
from elifpose.utils.errors import ElifPoseError

LARGEST_YAW = 45.0
"""Degrees from side-on beyond which nothing is analysed unless forced."""
_LOWEST_GAIT_FPS = 12.0  # the low-pass of gait events is at 6 Hz


class Settings(NamedTuple):
    """How keypoints are analysed."""

    body_height_m: float | None = None
    """The person's height; without it there are no metres."""
    sides: tuple[str, ...] = SIDES
    model: str = "hawkins_hull_1990"
    muscles: tuple[str, ...] = ()
    """Empty for all of the model that are not experimental."""
    cutoff_hz: float = 6.0
    """Of the zero-lag Butterworth filter."""
    min_score: float = 0.3
    """Keypoints below are not seen."""
    max_gap_s: float = 0.2
    """Longer gaps stay."""
    neutral_s: tuple[float, float] | None = None
    """A stretch of quiet standing, from and to, that 100 % is taken from; the model's standing posture if None."""
    force: bool = False
    """Whether people far from side-on are analysed all the same."""


class MuscleCurve(NamedTuple):
    """The length of one muscle-tendon unit over ``T`` frames; NaN where not known."""

    normalised: FloatArray
    """Over the trial's median segment length, or in the model's own unit."""
    percent: FloatArray
    """% of neutral standing."""
    metres: FloatArray | None
    """None without a body height."""
    velocity: FloatArray
    """% of neutral standing per second."""


class SideAnalysis(NamedTuple):
    """One leg."""

    side: str
    raw: JointAngles
    """Degrees, from unfiltered keypoints."""
    angles: JointAngles
    """Degrees, filtered."""
    muscles: dict[str, MuscleCurve]
    reasons: npt.NDArray[np.str_]
    """``(T,)``, why something is missing or doubtful, such as ``foot not seen``; empty where all is well."""
    strikes: npt.NDArray[np.int64]
    """Frames of heel strikes; none unless there are two, since one is no gait."""
    toe_offs: npt.NDArray[np.int64]


class Analysis(NamedTuple):
    """All of one person."""

    recording: Recording
    track: Track
    """As analysed: keypoints gated by score, legs put back, short gaps filled."""
    settings: Settings
    """As given, with the muscles named."""
    sides: dict[str, SideAnalysis]
    facing: Facing
    """1 to the right, -1 to the left, of the image."""
    yaw_deg: float
    """How far from side-on, 0 to 90; NaN if it cannot be told."""
    pixels_per_metre: float | None
    swapped: BoolArray
    """``(T,)``, frames whose legs were exchanged back."""
    warnings: tuple[str, ...]
    """What limits the results, in sentences; those of the recording are its own."""


def analyse(recording: Recording, track: Track, settings: Settings) -> Analysis:
    """Angles and lengths of one person.

    Points are gated by score, exchanged legs put back, short gaps filled; angles come from the pixels as they then
    are, with one facing for the trial, and are filtered after. Where the frame rate is too low for the cut-off, they
    stay unfiltered, with a warning.

    Raises:
        ElifPoseError: The person is more than 45 degrees from side-on and ``force`` is off, nothing of a leg is ever
            seen, the body's height cannot be measured in the picture though it is given, it cannot be told which way
            the person faces, or a setting is out of range.
    """
    settings = checked_settings(settings)
    gated = gate_keypoints(track.keypoints, settings.min_score)
    repaired = repair_sides(gated)
    keypoints = fill_gaps(repaired.keypoints, recording.fps, settings.max_gap_s)
    _check_seen(keypoints, track.person, settings)
    yaw = _checked_yaw(keypoints, track.person, settings.force)
    facing = facing_direction(keypoints)
    scale = None if settings.body_height_m is None else pixels_per_metre(keypoints, settings.body_height_m)
    track = track._replace(keypoints=keypoints)
    sides: dict[str, SideAnalysis] = {}
    for side in (side for side in SIDES if side in settings.sides):
        sides[side] = _analyse_side(recording, track, settings, side, facing, scale, repaired.swapped)
    legs = {side: leg.angles for side, leg in sides.items()}
    warnings = trial_warnings(keypoints, legs, yaw, facing, repaired.swapped)
    if not _filters(recording.fps, settings):
        warnings.append(
            f"{recording.fps:g} frames per second are too few for a cut-off of {settings.cutoff_hz:g} Hz: angles are "
            "not filtered; give a cut-off below half the frame rate, or record faster"
        )
    return Analysis(recording, track, settings, sides, facing, yaw, scale, repaired.swapped, tuple(warnings))


def checked_settings(settings: Settings) -> Settings:
    """The same with the muscles named, each once; `ElifPoseError` if something is out of range."""
    model = muscle_model(settings.model)
    usual = tuple(name for name, muscle in model.muscles.items() if not muscle.experimental)
    for muscle in settings.muscles:
        model.muscle(muscle)
    if settings.body_height_m is not None:
        check_body_height(settings.body_height_m)
    start, stop = settings.neutral_s or (0.0, 1.0)
    sides = ", ".join(settings.sides) or "none"
    rules = (
        (bool(settings.sides) and set(settings.sides) <= set(SIDES), f"sides are left, right or both, not {sides}"),
        (0 <= settings.min_score <= 1, f"min_score is {settings.min_score:g}, but scores go from 0 to 1"),
        (settings.max_gap_s >= 0, f"max_gap_s is {settings.max_gap_s:g}, but must be 0 s or more"),
        (settings.cutoff_hz > 0, f"cutoff_hz is {settings.cutoff_hz:g}, but must be positive; 6 Hz suits walking"),
        (start < stop, f"neutral standing is from {start:g} to {stop:g} s: give a start before the end"),
    )
    for kept, sentence in rules:
        if not kept:
            raise ElifPoseError(sentence)
    return settings._replace(muscles=tuple(dict.fromkeys(settings.muscles or usual)))


def _check_seen(keypoints: FloatArray, person: int, settings: Settings) -> None:
    """Refuse a person of whom no frame shows hip and knee of a leg that is asked for."""
    for side in SIDES:
        if side in settings.sides and np.isfinite(segment_lengths(keypoints, side).thigh):
            return
    raise ElifPoseError(
        f"no frame shows hip and knee of person {person} with scores of {settings.min_score:g} or more: film the "
        "whole leg, or lower min_score if the keypoints in the overlay look right"
    )


def _checked_yaw(keypoints: FloatArray, person: int, force: bool) -> float:
    """Degrees from side-on, refused beyond `LARGEST_YAW` unless forced."""
    yaw = view_yaw(keypoints)
    if yaw > LARGEST_YAW and not force:
        raise ElifPoseError(
            f"person {person} is seen about {yaw:.0f}° from side-on, where angles in the picture are not the joints' "
            f"(up to {LARGEST_YAW:.0f}° is analysed): film from the side, or give --force to get them all the same"
        )
    return yaw


def _filters(fps: float, settings: Settings) -> bool:
    """Whether the cut-off can be had from the frame rate."""
    return settings.cutoff_hz < fps / 2


def _analyse_side(
    recording: Recording,
    track: Track,
    settings: Settings,
    side: Side,
    facing: Facing,
    scale: float | None,
    swapped: BoolArray,
) -> SideAnalysis:
    """One leg of prepared keypoints."""
    fps = recording.fps
    raw = joint_angles(track.keypoints, side, facing)
    angles = raw
    if _filters(fps, settings):
        angles = JointAngles(*butterworth_lowpass(np.stack(raw, axis=1), fps, settings.cutoff_hz).T)
    segments = segment_lengths(track.keypoints, side)._asdict()
    muscles: dict[str, MuscleCurve] = {}
    for name in settings.muscles:
        segment = segments[muscle_model(settings.model).muscle(name).segment]
        muscles[name] = _curve(settings, name, angles, track.times_s, fps, None if scale is None else segment / scale)
    reasons = frame_reasons(track.keypoints, side, facing, angles, swapped, settings.model, settings.max_gap_s)
    strikes = toe_offs = np.zeros(0, dtype=np.int64)
    if fps > _LOWEST_GAIT_FPS:
        events = gait_events(track.keypoints, side, fps, facing)
        if len(events.strikes) > 1:
            strikes, toe_offs = events
    return SideAnalysis(side, raw, angles, muscles, reasons, strikes, toe_offs)


def _curve(
    settings: Settings, muscle: str, angles: JointAngles, times_s: FloatArray, fps: float, segment_m: float | None
) -> MuscleCurve:
    """One muscle's lengths; ``segment_m`` is its segment in metres."""
    model = muscle_model(settings.model)
    lengths = mtu_length(model.name, muscle, *angles)
    if settings.neutral_s is None or not np.isfinite(lengths).any():
        neutral = neutral_length(model.name, muscle)
    else:
        neutral = standing_length(lengths, times_s, *settings.neutral_s)
    percent = relative_length(model.name, muscle, lengths, neutral)
    metres = None
    if segment_m is not None:
        standing = model.standing_lengths.get(muscle)
        whole = lengths if standing is None else standing * relative_length(model.name, muscle, lengths) / 100.0
        metres = whole * segment_m
    return MuscleCurve(lengths, percent, metres, mtu_velocity(percent, fps))
