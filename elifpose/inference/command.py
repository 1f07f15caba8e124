"""``elifpose analyze``: from a recording to joint angles and muscle-tendon lengths."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from elifpose import __version__
from elifpose.biomechanics import MODELS
from elifpose.inference.analysis import Settings, analyse, checked_settings
from elifpose.inference.detector import BoxesFile, Detector, PersonDetector, WholeFrame
from elifpose.inference.following import TrackingSettings, track_people
from elifpose.inference.frames import is_camera, open_source
from elifpose.inference.keypoint_files import read_keypoints
from elifpose.inference.live import LiveAngles
from elifpose.inference.pose import PoseRunner
from elifpose.inference.recording import Recording, Track
from elifpose.inference.results import People, look_again, write_reports, write_tables
from elifpose.utils.errors import ElifPoseError

_SIDES = {"both": ("left", "right"), "left": ("left",), "right": ("right",)}
_DETECT_EVERY = 3  # a tenth of a second at 30 frames per second: who comes in is seen so much later
_EPILOG = """\
elifpose analyze walk.mp4 --model pose.onnx --detector rtmdet.onnx --body_height 1.75 --out results
elifpose analyze --keypoints walk_px.trc --body_height 1.75 --out results       keypoints of another system

Angles and lengths are model estimates, not measurements. Film from the side, with the feet in the picture.
"""


def run(argv: Sequence[str]) -> int:
    """Run ``argv``, the words after ``elifpose analyze``.

    Raises:
        ElifPoseError: A file cannot be read or written, nobody is seen, or nobody can be analysed.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if (arguments.source is None) == (arguments.keypoints is None):
        parser.error("give a recording, or keypoints by --keypoints")
    recorded = arguments.source is not None and not is_camera(arguments.source)
    if arguments.overlay and not recorded:
        parser.error("--overlay draws on a recording, and this is none: record a video, and analyze that")
    settings = checked_settings(_settings(arguments))
    console = Console()
    if arguments.keypoints is not None:
        recording, tracks = read_keypoints(arguments.keypoints, arguments.fps)
    else:
        recording, tracks = _follow(arguments)
    people = _analyse(recording, tracks, settings, console)
    _write(arguments, people, recorded, console)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elifpose analyze",
        usage="elifpose analyze RECORDING --model FILE [OPTIONS], or elifpose analyze --keypoints FILE [OPTIONS]",
        description="Joint angles and muscle-tendon lengths of the people in a recording.",
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", nargs="?", help="a video, an image, a folder of images, or a camera's number; Ctrl+C ends a camera")
    add("--keypoints", type=Path, metavar="FILE", help="keypoints instead: COCO-style .json, or .trc in pixels")
    add("--out", type=Path, default=Path("results"), help="folder (default: %(default)s)")
    add("--model", metavar="FILE", help="a checkpoint or an exported .onnx of 26 keypoints")
    add("--detector", metavar="FILE", help="person detector, .onnx of RTMDet or YOLOX; without, one fills the frame")
    add("--boxes", metavar="FILE", help="COCO-style JSON of person boxes instead of a detector")
    add(
        "--detect_every",
        type=int,
        metavar="N",
        help=f"frames from one use of the detector to the next (default: {_DETECT_EVERY})",
    )
    add("--fps", type=float, help="frames per second, where the file does not say")
    add("--body_height", type=float, metavar="M", help="metres; without it nothing is in metres")
    add("--side", choices=list(_SIDES), default="both", help="which leg (default: %(default)s)")
    add("--mtu_model", choices=list(MODELS), default=Settings().model, help="default: %(default)s")
    add("--muscles", nargs="+", default=[], metavar="NAME", help="by default all that are not experimental")
    add("--neutral_time", nargs=2, type=float, metavar=("FROM", "TO"), help="seconds of quiet standing: 100 %%")
    add("--cutoff_hz", type=float, default=Settings().cutoff_hz, help="of the low-pass filter (default: %(default)s)")
    add("--min_score", type=float, default=Settings().min_score, help="of a keypoint (default: %(default)s)")
    add("--force", action="store_true", help="also analyse people who are far from side-on")
    add("--live", action="store_true", help="show angles as they come, smoothed by a One-Euro filter")
    add("--overlay", action="store_true", help="write a video with skeleton, angles and curves")
    add("--blur_faces", action="store_true", help="make heads unrecognisable in whatever shows a picture")
    add("--no_frames", dest="frames", action="store_false", help="no pictures of the recording in the report")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        body_height_m=arguments.body_height,
        sides=_SIDES[arguments.side],
        model=arguments.mtu_model,
        muscles=tuple(arguments.muscles),
        cutoff_hz=arguments.cutoff_hz,
        min_score=arguments.min_score,
        neutral_s=None if arguments.neutral_time is None else tuple(arguments.neutral_time),
        force=arguments.force,
    )


def _follow(arguments: argparse.Namespace) -> tuple[Recording, list[Track]]:
    """Find and follow the people of a recording."""
    if arguments.model is None:
        raise ElifPoseError("analyze needs a network: give --model FILE, or keypoints by --keypoints FILE")
    detector, every = _detector(arguments)
    settings = TrackingSettings(detect_every=every if arguments.detect_every is None else arguments.detect_every)
    pose = PoseRunner(arguments.model)
    source = open_source(arguments.source, arguments.fps)  # last: a camera's frames do not wait
    live = LiveAngles(arguments.min_score) if arguments.live else None
    with _bar("keypoints", source.frames, live) as advance:
        return track_people(source, detector, pose, settings, advance, live)


def _detector(arguments: argparse.Namespace) -> tuple[PersonDetector, int]:
    """What says where people are, and every how many frames it is asked; what costs nothing is asked each time."""
    if arguments.boxes is not None:
        return BoxesFile(arguments.boxes), 1
    if arguments.detector is not None:
        return Detector(arguments.detector), _DETECT_EVERY
    return WholeFrame(), 1


def _analyse(recording: Recording, tracks: Sequence[Track], settings: Settings, console: Console) -> People:
    """Everyone who can be analysed; whoever cannot is told of, here and in what is written."""
    analyses, refusals = [], []
    for track in tracks:
        try:
            analyses.append(analyse(recording, track, settings))
        except ElifPoseError as error:
            refusals.append(f"person {track.person} is not analysed: {error}")
    if not analyses:
        raise ElifPoseError("; ".join(refusals) or f"{recording.source}: nobody is seen")
    recording = recording._replace(warnings=(*recording.warnings, *refusals))
    several = len(tracks) > 1
    found = [
        f"person {of.track.person}: {warning}" if several else warning for of in analyses for warning in of.warnings
    ]
    for told in (*recording.warnings, *found):
        console.print(f"Note: {told}", soft_wrap=True, markup=False)
    return People(recording, tracks, [of._replace(recording=recording) for of in analyses])


def _write(arguments: argparse.Namespace, people: People, recorded: bool, console: Console) -> None:
    """Fill the folder; ``recorded`` says whether there are pictures that can be looked at again."""
    out: Path = arguments.out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ElifPoseError(f"--out {out} cannot be made ({error.strerror}); choose another folder") from error
    versions = {"elifpose": __version__}
    if arguments.source is not None:
        versions["network"] = str(arguments.model)
    write_tables(out, people, versions.get("network"))
    pictures = {}
    if recorded and (arguments.overlay or arguments.frames):
        with _bar("drawing", people.recording.frames) as advance:
            video = out if arguments.overlay else None
            frames = open_source(arguments.source, arguments.fps)
            pictures = look_again(frames, people, video, arguments.blur_faces, advance)
    shown = pictures if arguments.frames else {}
    for report in write_reports(out, people, date.today(), shown, versions):
        console.print(f"Report: {report}", soft_wrap=True)


@contextmanager
def _bar(name: str, total: int | None, live: LiveAngles | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar, or angles as they come, on standard error; gives a function that takes the frames done."""
    rate, line = TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[line]}")
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    columns = bar if live is None else (line, rate)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total, rate="", line="")

        def advance(done: int) -> None:
            speed = progress.tasks[0].speed
            text = "" if speed is None else f"{speed:.0f} frames/s"
            progress.update(task, completed=done, rate=text, line="" if live is None else live.line)

        yield advance
