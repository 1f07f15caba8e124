"""How true angles and muscle-tendon lengths are, from rendered people whose joint angles are known.

    python benchmarks/closed_loop.py --model last.ckpt

Somebody walks, squats and stands on one leg, seen from the side and turned. Angles come once from the true keypoints,
which leaves the errors of the side view and of the filter, and once from those that a network finds in true boxes:
as they are, and with left and right exchanged wherever that is nearer to the truth ("sides told").
Errors are means over frames, legs and people of the absolute difference: degrees, and for lengths % of neutral
standing over all muscles of the default model. What is not known is left out, and its share of the frames printed.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rows import Row, add_option, write_rows

from elifpose.biomechanics import mtu_length, relative_length
from elifpose.datasets.synthetic.motion import Clip, perform, write_clip
from elifpose.datasets.synthetic.motion_curves import MOTIONS, Leg
from elifpose.inference.analysis import Analysis, Settings, analyse
from elifpose.inference.detector import BoxesFile
from elifpose.inference.following import track_people
from elifpose.inference.frames import open_source
from elifpose.inference.keypoint_files import read_keypoints
from elifpose.inference.pose import PoseRunner
from elifpose.structures.skeletons import HALPE26

Array = npt.NDArray[np.float64]

KINDS = {"true": "exact keypoints", "network": "the network's keypoints"}
"""Those with rows of their own."""
LEGS = (11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25)
EXCHANGED = list(HALPE26.flip_indices)


class Errors(NamedTuple):
    """Absolute errors of one clip, NaN where nothing is known; of both legs, ``(2, T)``, where not said."""

    hip: Array
    knee: Array
    ankle: Array
    lengths: Array
    """``(2, M, T)``, % of neutral standing."""
    points: Array
    """``(T, 12)``, % of the person's height: hips, knees, ankles and feet as they are analysed."""


def measure(clip: Clip, model: PoseRunner | None, folder: Path) -> dict[str, Errors]:
    """Render a clip, and analyse its true keypoints and those that the network finds."""
    video, stored, _ = write_clip(folder, clip)
    recording, tracks = read_keypoints(stored)
    truth = tracks[0].keypoints
    found = {"true": tracks[0]}
    if model is not None:
        people = json.loads(stored.read_text())["annotations"]
        boxes = folder / "boxes.json"
        boxes.write_text(json.dumps([{"image_id": person["image_id"], "bbox": person["bbox"]} for person in people]))
        recording, tracks = track_people(open_source(str(video)), BoxesFile(boxes), model)
        found["network"] = tracks[0]
        found["network, sides told"] = tracks[0]._replace(keypoints=told_apart(tracks[0].keypoints, truth))
    angles, height = perform(clip).angles, tracks[0].boxes[:, 3].max()
    errors = {}
    for name, track in found.items():
        analysis = analyse(recording, track, Settings(force=True))
        off = np.linalg.norm((analysis.track.keypoints - truth)[:, LEGS, :2], axis=-1)
        hip, knee, ankle = angle_errors(analysis, angles)
        errors[name] = Errors(hip, knee, ankle, length_errors(analysis, angles), 100.0 * off / height)
    return errors


def told_apart(keypoints: Array, truth: Array) -> Array:
    """The keypoints ``(T, 26, 3)`` with left and right exchanged in the frames where the legs are then nearer."""
    exchanged = keypoints[:, EXCHANGED]
    off = [np.linalg.norm((points - truth)[:, LEGS, :2], axis=-1).sum(axis=1) for points in (keypoints, exchanged)]
    return np.where((off[1] < off[0])[:, None, None], exchanged, keypoints)


def angle_errors(analysis: Analysis, truth: dict[str, Leg]) -> Iterator[Array]:
    """Of hip, knee and ankle."""
    for joint in range(3):
        yield np.abs(np.stack([leg.angles[joint] - truth[side][joint] for side, leg in analysis.sides.items()]))


def length_errors(analysis: Analysis, truth: dict[str, Leg]) -> Array:
    """Of all muscles of both legs."""
    model, legs = analysis.settings.model, []
    for side, leg in analysis.sides.items():
        muscles = leg.muscles.items()
        legs.append([c.percent - relative_length(model, m, mtu_length(model, m, *truth[side])) for m, c in muscles])
    return np.asarray(np.abs(np.array(legs)))


def cells(errors: list[Errors]) -> list[str]:
    """Means of all clips, and the share of angles that are not known."""
    means = [np.nanmean(np.concatenate([of.ravel() for of in parts])) for parts in zip(*errors, strict=True)]
    angles = np.concatenate([np.stack(of[:3]).ravel() for of in errors])
    return [*(f"{mean:.2f}" for mean in means), f"{100 * np.isnan(angles).mean():.1f} %"]


def row(keypoints: str, yaw: float, errors: list[Errors]) -> Row:
    """Of all motions seen from one side."""
    hip, knee, ankle, lengths, *_ = cells(errors)
    figure = f"hip {hip}°, knee {knee}°, ankle {ankle}°, lengths {lengths} % of standing"
    what = f"mean error with {KINDS[keypoints]}, seen {yaw:g}° from the side"
    return Row(what, figure, f"the angles that posed the body ({', '.join(MOTIONS)})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint or an exported .onnx; without one only the true keypoints")
    parser.add_argument("--yaw", type=float, nargs="+", default=[0.0, 10.0, 20.0, 30.0], help="degrees")
    parser.add_argument("--people", type=int, default=1, help="clips of each motion and yaw")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480))
    add_option(parser)
    options = parser.parse_args()

    model = None if options.model is None else PoseRunner(options.model)
    size = (options.size[0], options.size[1])
    errors: defaultdict[tuple[str, str, float], list[Errors]] = defaultdict(list)
    for motion, yaw, seed in product(MOTIONS, options.yaw, range(options.people)):
        with tempfile.TemporaryDirectory() as folder:
            clip = Clip(motion, options.seconds, yaw=yaw, size=size, seed=seed)
            for keypoints, of_clip in measure(clip, model, Path(folder)).items():
                errors[keypoints, motion, yaw].append(of_clip)
    table = Table(title="mean absolute error")
    for heading in ("keypoints", "motion", "yaw", "hip °", "knee °", "ankle °", "length %", "points %", "unknown"):
        table.add_column(heading, justify="right")
    for keypoints, motion, yaw in sorted(errors, key=lambda row: (list(MOTIONS).index(row[1]), row[2])):
        table.add_row(keypoints, motion, f"{yaw:g}", *cells(errors[keypoints, motion, yaw]))
    Console(width=100).print(table)
    kinds = KINDS if model else ["true"]
    of_all = {
        (kind, yaw): [of for motion in MOTIONS for of in errors[kind, motion, yaw]]
        for kind, yaw in product(kinds, options.yaw)
    }
    write_rows(options.rows, [row(kind, yaw, of) for (kind, yaw), of in of_all.items()])


if __name__ == "__main__":
    main()
