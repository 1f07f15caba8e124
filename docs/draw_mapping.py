"""Which of Halpe's 26 keypoints each public set has: a figure of small people, one per set.

python docs/draw_mapping.py docs/images/keypoint_mapping.png
"""

import sys

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from elifpose.structures import Skeleton, get_skeleton, keypoint_mapping

SETS = {
    "COCO, OCHuman, Human-Art": "coco17",
    "COCO-WholeBody": "coco_wholebody",
    "Halpe26": "halpe26",
    "AIC": "aic",
    "CrowdPose": "crowdpose",
    "MPII": "mpii",
    "JHMDB": "jhmdb",
    "PoseTrack18": "posetrack18",
}
# Somebody who faces you: the person's left is on the right. x from the middle, y downwards.
PLACES = {
    "head": (0, 0),
    "nose": (0, 1.7),
    "neck": (0, 3.2),
    "hip": (0, 8.2),
    "eye": (0.5, 1.2),
    "ear": (1.1, 1.5),
    "shoulder": (1.9, 3.7),
    "elbow": (2.6, 5.9),
    "wrist": (2.9, 8.0),
    "knee": (1.3, 11.6),
    "ankle": (1.4, 15.0),
    "heel": (1.0, 15.9),
    "big_toe": (1.7, 16.9),
    "small_toe": (2.5, 16.4),
}
SIDE_HIP = (1.1, 8.4)
COLORS = {"left": "#00a844", "right": "#f07800", "middle": "#3399ff"}


def place(name: str) -> tuple[float, float]:
    """Where a keypoint is drawn."""
    side, _, part = name.partition("_")
    if side not in ("left", "right"):
        return PLACES[name]
    x, y = SIDE_HIP if part == "hip" else PLACES[part]
    return (x, y) if side == "left" else (-x, y)


def draw(axes: Axes, title: str, source: Skeleton, target: Skeleton) -> None:
    """One person: filled where the set has the point, a ring where it has not."""
    mapping = keypoint_mapping(source, target)
    have = {position for _, position in mapping}
    for link in target.links:
        (x0, y0), (x1, y1) = place(link.start), place(link.end)
        axes.plot((x0, x1), (y0, y1), color="#c8c8c8", linewidth=1.2, zorder=1)
    for position, name in enumerate(target.keypoints):
        side = name.split("_")[0]
        color = COLORS.get(side, COLORS["middle"])
        filled = color if position in have else "white"
        axes.scatter(*place(name), s=34, facecolors=filled, edgecolors=color, linewidths=1.0, zorder=2)
    unused = sorted(set(source.keypoints) - {source.keypoints[index] for index, _ in mapping})
    axes.set_title(f"{title}\n{len(have)} of 26", fontsize=9)
    note = f"not used: {', '.join(unused)}" if unused else ""
    axes.text(0, 18.6, note, ha="center", va="top", fontsize=7, color="#555555")
    axes.set_xlim(-4, 4)
    axes.set_ylim(19.6, -1)
    axes.set_aspect("equal")
    axes.set_axis_off()


def main() -> None:
    """Draw all sets."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 4).flat
    for axis, (title, name) in zip(axes, SETS.items(), strict=True):
        draw(axis, title, get_skeleton(name), get_skeleton("halpe26"))
    figure.supxlabel(
        "filled: annotated in the set · ring: not · green: the person's left · orange: the person's right", fontsize=9
    )
    figure.savefig(sys.argv[1], dpi=110)


if __name__ == "__main__":
    main()
