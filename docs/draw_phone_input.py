"""From a person's box to the network's input: a picture of three steps, of a rendered person.

python docs/draw_phone_input.py docs/images/phone_input.png
"""

import sys

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from elifpose.datasets.synthetic import render_scene
from elifpose.datasets.transforms import warp
from elifpose.utils.geometry import box_to_center_scale, image_to_input_matrix

INPUT_SIZE = (192, 256)
PADDING = 1.25
SCENE = 1  # one whose person is whole
BOX, PADDED, REGION = "#f07800", "#3399ff", "#00a844"


def outline(axes: Axes, center: np.ndarray, size: np.ndarray, color: str, text: str) -> None:
    """A named rectangle around a centre."""
    left, top = center - size / 2
    axes.add_patch(Rectangle((left, top), *size, fill=False, edgecolor=color, linewidth=2, label=text))


def main() -> None:
    """Draw the photo, the crop and some of its pixels."""
    scene = render_scene(np.random.default_rng((0, SCENE)), (320, 320))
    person = scene.people[0]
    box = np.asarray(person.box, np.float64)
    center, region = box_to_center_scale(box, INPUT_SIZE, PADDING)
    crop = warp(scene.image, image_to_input_matrix(center, region, INPUT_SIZE), INPUT_SIZE)

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    photo, cut, pixels = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    photo.imshow(scene.image)
    outline(photo, center, box[2:], BOX, "box")
    outline(photo, center, box[2:] * PADDING, PADDED, "1.25 × box")
    outline(photo, center, region, REGION, "at the input's aspect ratio")
    margin = 12
    low = np.minimum(center - region / 2, 0) - margin
    high = np.maximum(center + region / 2, scene.image.shape[1::-1]) + margin
    photo.set_xlim(low[0], high[0])
    photo.set_ylim(high[1], low[1])
    photo.set_title("1 · photo, image pixels")
    photo.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, fontsize=8, frameon=False)
    cut.imshow(crop)
    cut.set_title("2 · input, 192 × 256, black outside")
    cut.set_xticks((0, 96, 191))
    cut.set_yticks((0, 128, 255))
    pixels.imshow(crop[:5, :5] // 2 + 110)
    pixels.set_xticks(range(5))
    pixels.set_yticks(range(5))
    pixels.scatter(*np.meshgrid(range(5), range(5)), s=14, color="black")
    pixels.scatter(-0.5, -0.5, s=40, marker="x", color=BOX, clip_on=False)
    pixels.set_title("3 · its first pixels: whole numbers\nare centres, the corner is (−½, −½)", fontsize=10)
    figure.savefig(sys.argv[1], dpi=100)


if __name__ == "__main__":
    main()
