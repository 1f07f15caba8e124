"""Everything that an analysis leaves in a folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from elifpose.inference.analysis import Analysis
from elifpose.inference.faces import blur_head, head_regions
from elifpose.inference.frames import Frame
from elifpose.inference.keypoint_files import write_keypoints
from elifpose.inference.opensim_files import write_angles_mot, write_lengths_sto, write_trc
from elifpose.inference.overlay import Overlay
from elifpose.inference.plots import plots
from elifpose.inference.recording import Recording, Track
from elifpose.inference.report import Thumbnail, write_report
from elifpose.inference.summary import write_summary
from elifpose.inference.tables import write_angles, write_keypoints_table, write_lengths
from elifpose.utils.drawing import save_figure
from elifpose.utils.video_writer import VideoWriter

_MOST_THUMBNAILS = 6


class People(NamedTuple):
    """What was found in a recording."""

    recording: Recording
    tracks: Sequence[Track]
    """Everyone who was seen."""
    analyses: Sequence[Analysis]
    """Those who could be analysed; one at least."""


def write_tables(out: Path, people: People, pose_model: str | None) -> None:
    """Keypoints, angles, lengths and the summary of everyone; the OpenSim files of each person."""
    recording, tracks, analyses = people
    write_keypoints(out / "keypoints.json", recording, tracks)
    write_keypoints_table(out / "keypoints.csv", tracks)
    write_angles(out / "angles.csv", analyses)
    write_lengths(out / "mtu.csv", analyses)
    write_summary(out / "summary.json", recording, analyses, pose_model)
    for analysis in analyses:
        folder = _folder(out, people, analysis)
        fps, scale = recording.fps, analysis.pixels_per_metre
        write_angles_mot(folder / "angles.mot", analysis)
        write_trc(folder / "markers_px.trc", analysis.track, fps)
        if scale is not None:
            write_trc(folder / "markers_m.trc", analysis.track, fps, scale)
            write_lengths_sto(folder / "mtu_lengths.sto", analysis)


def write_reports(
    out: Path,
    people: People,
    created: date,
    thumbnails: Mapping[int, Sequence[Thumbnail]],
    versions: Mapping[str, str],
) -> list[Path]:
    """The figures and ``report.html`` of each person; where the reports lie."""
    paths = []
    for analysis in people.analyses:
        folder, figures = _folder(out, people, analysis), plots(analysis)
        for plot in figures:
            save_figure(plot.figure, folder / f"{plot.name}.png")
        paths.append(folder / "report.html")
        write_report(paths[-1], analysis, figures, created, thumbnails.get(analysis.track.person, ()), versions)
    return paths


def look_again(
    frames: Iterable[Frame],
    people: People,
    out: Path | None,
    blur_faces: bool,
    progress: Callable[[int], None],
) -> dict[int, list[Thumbnail]]:
    """Go through the pictures once more: draw the overlay videos, and keep a few pictures of flagged frames.

    Args:
        frames: The recording's; those beyond the ones that were analysed are left out.
        people: Who is drawn.
        out: Where ``overlay.mp4`` of each person goes; no video if None.
        blur_faces: Whether everyone's head is made unrecognisable.
        progress: Called after each frame with how many were read.

    Returns:
        By person, pictures of flagged frames.
    """
    hidden = people.tracks if blur_faces else ()
    heads = [head_regions(track) for track in hidden]
    flagged = {analysis.track.person: flagged_frames(analysis) for analysis in people.analyses}
    kept: dict[int, list[Thumbnail]] = {person: [] for person in flagged}
    with ExitStack() as stack:
        videos = []
        for analysis in people.analyses if out is not None else ():
            overlay = Overlay(analysis, hidden=hidden)
            path = _folder(out or Path(), people, analysis) / "overlay.mp4"
            videos.append((overlay, stack.enter_context(VideoWriter(path, people.recording.fps, overlay.size))))
        for frame in islice(frames, people.recording.frames):
            for overlay, video in videos:
                video.write(overlay.draw(frame.image, frame.number))
            for person, reasons in flagged.items():
                if frame.number in reasons:
                    image = frame.image.copy()
                    for regions in heads:
                        blur_head(image, regions[frame.number])
                    kept[person].append(Thumbnail(frame.number, reasons[frame.number], image))
            progress(frame.number + 1)
    return kept


def flagged_frames(analysis: Analysis) -> dict[int, str]:
    """A few frames that deserve a look, with their reasons: the middle of the longest stretch of each reason."""
    stretches: dict[str, tuple[int, int]] = {}
    for leg in analysis.sides.values():
        changes = np.flatnonzero(leg.reasons[1:] != leg.reasons[:-1]) + 1
        starts, ends = [0, *changes.tolist()], [*changes.tolist(), len(leg.reasons)]
        for start, end in zip(starts, ends, strict=True):
            reason = f"{leg.side} leg: {leg.reasons[start]}"
            if leg.reasons[start] and end - start > stretches.get(reason, (0, 0))[0]:
                stretches[reason] = (end - start, (start + end) // 2)
    flagged: dict[int, str] = {}
    for reason, (_, frame) in sorted(stretches.items(), key=lambda item: -item[1][0])[:_MOST_THUMBNAILS]:
        flagged[frame] = f"{flagged[frame]}; {reason}" if frame in flagged else reason
    return flagged


def _folder(out: Path, people: People, analysis: Analysis) -> Path:
    """The folder of all, or one of the person's own where there are several."""
    if len(people.analyses) == 1:
        return out
    folder = out / f"person_{analysis.track.person}"
    folder.mkdir(exist_ok=True)
    return folder
