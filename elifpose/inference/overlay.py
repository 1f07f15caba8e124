"""What was found, drawn onto the frames: skeleton, angles, and below the muscles' curves with a running cursor."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes

from elifpose.biomechanics import far_side
from elifpose.inference.analysis import Analysis
from elifpose.inference.faces import blur_head, head_regions
from elifpose.inference.plots import JOINTS, SIDE_COLORS, muscle_title
from elifpose.inference.recording import FloatArray, Track
from elifpose.inference.text_files import NOTE, citation
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.drawing import GREY, ImageArray, new_figure, pixels

_STRIP_MUSCLES = ("gastrocnemius_medialis", "biceps_femoris_long", "rectus_femoris")
_STRIP_WIDTH, _STRIP_HEIGHT = 9.6, 1.9  # inches
_PAGE_S = 10.0  # what the strip shows at once, of a recording that lasts longer
_UNIT = 1 / 600  # of the picture's smaller side: lines are two to four of it wide
_DARK = (20, 20, 20)
_CAPITAL = 22  # pixels that a capital of OpenCV's font is high at scale 1
_CURSOR = (200, 30, 30)


class _Page(NamedTuple):
    """The strip of a stretch of time."""

    number: int
    picture: ImageArray
    axes: tuple[tuple[float, float, int, int], ...]
    """Of each axis: left and right edge, upper and lower edge, pixels of ``picture``."""


class Overlay:
    """Draws one analysed person onto the frames of a recording, one frame at a time.

    Left is green, right orange, as the skeleton's links have it; the leg away from the camera is thinner. Angles are
    the filtered ones. The strip shows up to three muscles, ten seconds at a time.

    Args:
        analysis: The person.
        hidden: People whose heads are made unrecognisable (see `head_regions`). Somebody who was not found is not
            among them.
    """

    def __init__(self, analysis: Analysis, hidden: Sequence[Track] = ()) -> None:
        known = analysis.settings.muscles
        self._analysis = analysis
        self._muscles = [name for name in _STRIP_MUSCLES if name in known] or known[: len(_STRIP_MUSCLES)]
        self._heads = [head_regions(track) for track in hidden]
        self._places = analysis.track.keypoints[..., :2]
        width, height = analysis.recording.image_size
        self._unit = max(1.0, _UNIT * min(width, height))
        self._strip_height = round(width * _STRIP_HEIGHT / _STRIP_WIDTH)
        end = max(float(analysis.track.times_s[-1]), 1 / analysis.recording.fps)
        self._page_s = min(_PAGE_S, end)
        self._last_page = math.ceil(end / self._page_s) - 1
        self._page = _Page(-1, np.zeros((0, 0, 3), np.uint8), ())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a drawn picture, pixels, both even: the frame with the strip below."""
        width, height = self._analysis.recording.image_size
        return width + width % 2, height + self._strip_height + (height + self._strip_height) % 2

    def draw(self, image: ImageArray, frame: int) -> ImageArray:
        """One frame with everything on it.

        Args:
            image: ``(H, W, 3)`` RGB of the recording's size; left as it is.
            frame: Its number, from 0.

        Returns:
            RGB of `size`.

        Raises:
            ValueError: If the image has another size.
        """
        width, height = self._analysis.recording.image_size
        if image.shape != (height, width, 3):
            raise ValueError(f"frame {frame} is {image.shape}, but the recording is {width} x {height}")
        drawn = np.full((self.size[1], self.size[0], 3), 255, np.uint8)
        picture = drawn[:height, :width]
        picture[:] = image
        for regions in self._heads:
            blur_head(picture, regions[frame])
        self._draw_skeleton(picture, self._places[frame])
        self._draw_angles(picture, frame)
        self._draw_strip(drawn[height : height + self._strip_height, :width], frame)
        return drawn

    def _draw_skeleton(self, picture: ImageArray, places: FloatArray) -> None:
        far = far_side(self._analysis.facing)
        for link, ends in zip(HALPE26.links, HALPE26.link_indices, strict=True):
            if np.isfinite(places[list(ends)]).all():
                thin = far in (link.start.split("_")[0], link.end.split("_")[0])
                start, end = (_pixel(places[index]) for index in ends)
                cv2.line(picture, start, end, link.color, round(self._unit * (2 if thin else 3.5)), cv2.LINE_AA)

    def _draw_angles(self, picture: ImageArray, frame: int) -> None:
        """Numbers beside the joints: of the near leg in front of it, of the far leg behind."""
        facing = self._analysis.facing
        for side in self._analysis.sides.values():
            way = -facing if side.side == far_side(facing) else facing
            for joint in JOINTS:
                angle = getattr(side.angles, joint)[frame]
                place = self._places[frame, HALPE26.index(f"{side.side}_{joint}")]
                if np.isfinite(angle) and np.isfinite(place).all():
                    color = np.array(SIDE_COLORS[side.side]) * 255
                    _number(picture, f"{angle:.0f}", place, way, (*color.tolist(),), self._unit)

    def _draw_strip(self, strip: ImageArray, frame: int) -> None:
        time = self._analysis.track.times_s[frame]
        number = min(int(time / self._page_s), self._last_page)
        if number != self._page.number:
            self._page = self._new_page(number)
        strip[:] = self._page.picture
        for left, right, upper, lower in self._page.axes:
            column = round(left + (right - left) * (time / self._page_s - number))
            cv2.line(strip, (column, upper), (column, lower), _CURSOR, max(1, round(self._unit)), cv2.LINE_AA)

    def _new_page(self, number: int) -> _Page:
        figure = new_figure(_STRIP_WIDTH, _STRIP_HEIGHT)
        figure.set_dpi(self._analysis.recording.image_size[0] / _STRIP_WIDTH)
        axes = list(figure.subplots(1, len(self._muscles), squeeze=False).flat)
        for axis, muscle in zip(axes, self._muscles, strict=True):
            self._draw_curves(axis, muscle, number)
        axes[0].set_ylabel("% of neutral", fontsize=7)
        axes[0].legend(loc="upper right", ncols=2, fontsize=6, framealpha=0.6)
        figure.supxlabel(f"{NOTE}: {citation(self._analysis.settings.model)}", fontsize=5, color=GREY)
        height, width = self._strip_height, self._analysis.recording.image_size[0]
        picture = np.asarray(cv2.resize(pixels(figure), (width, height)), np.uint8)
        boxes = [axis.get_position() for axis in axes]
        edges = [(b.x0 * width, b.x1 * width, round((1 - b.y1) * height), round((1 - b.y0) * height)) for b in boxes]
        return _Page(number, picture, tuple(edges))

    def _draw_curves(self, axis: Axes, muscle: str, number: int) -> None:
        """A muscle's curves over one page; the scale is that of the whole recording, so that pages compare."""
        curves = {name: side.muscles[muscle].percent for name, side in self._analysis.sides.items()}
        times = self._analysis.track.times_s
        start, stop = number * self._page_s, (number + 1) * self._page_s
        shown = (times >= start) & (times <= stop)
        for name, percent in curves.items():
            axis.plot(times[shown], percent[shown], color=SIDE_COLORS[name], linewidth=1.2, label=name)
        known = np.concatenate(list(curves.values()))
        known = known[np.isfinite(known)]
        if known.size:
            margin = 0.06 * np.ptp(known) + 0.5
            axis.set_ylim(known.min() - margin, known.max() + margin)
        axis.set_xlim(start, stop)
        axis.axhline(100, color=GREY, linewidth=0.7, linestyle="--")
        axis.set_title(muscle_title(muscle), fontsize=8)
        axis.tick_params(labelsize=6)


def _pixel(place: FloatArray) -> tuple[int, int]:
    x, y = np.rint(place.clip(-10_000, 10_000)).astype(int).tolist()  # OpenCV takes no more than 32 bits
    return x, y


def _number(
    picture: ImageArray, text: str, place: FloatArray, way: int, color: tuple[float, ...], unit: float
) -> None:
    """A number of degrees on a dark plate, to the right (``way`` 1) or left (−1) of a place."""
    scale = 0.75 * unit
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    high, pad, ring = round(_CAPITAL * scale), round(4 * unit), max(1, round(2.5 * unit))
    wide = width + 4 * ring
    x, y = _pixel(place)
    x += round(14 * unit) if way > 0 else -round(14 * unit) - wide
    y += high // 2
    cv2.rectangle(picture, (x - pad, y - high - pad), (x + wide + pad, y + pad), _DARK, -1)
    thickness = max(1, round(1.8 * unit))
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)
    cv2.circle(picture, (x + width + 2 * ring, y - high + ring), ring, color, max(1, round(unit)), cv2.LINE_AA)
