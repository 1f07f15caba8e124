"""What the phone will meet, one trouble at a time and by a known amount: to measure how a network bears it.

Boxes and camera are disturbed before the crop is made, pixels after, in the ``uint8`` crop: blur and holes are so in
*input pixels* and mean the same for a large and a small person.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import cv2
import numpy as np

from elifpose.datasets.transforms import warp
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import FloatArray, box_to_center_scale, image_to_input_matrix
from elifpose.utils.image import ImageArray

Kind = Literal["shift", "scale", "rotation", "blur", "jpeg", "darkness", "occlusion"]


class _KindFacts(NamedTuple):
    highest: float
    """Level; none is 0 or below."""
    label: str
    """In a table, with the level in it."""


_KINDS: dict[Kind, _KindFacts] = {
    "shift": _KindFacts(1.0, "box shifted by up to {:.0%}"),
    "scale": _KindFacts(10.0, "box times {:g}"),
    "rotation": _KindFacts(180.0, "camera turned by {:g}°"),
    "blur": _KindFacts(100.0, "blur, σ {:g} input pixels"),
    "jpeg": _KindFacts(100.0, "JPEG quality {:g}"),
    "darkness": _KindFacts(1.0, "{:.0%} of the light"),
    "occlusion": _KindFacts(1.0, "{:.0%} hidden"),
}
_GAMMA = 2.2
_WHITE_PHOTONS = 1000.0
_GREY = 128


@final
@dataclass(frozen=True)
class Corruption:
    """One disturbance of evaluation crops.

    ============= ====================================================================================
    ``kind``      what ``level`` is
    ============= ====================================================================================
    ``shift``     The box moves along each axis by a uniformly drawn share of its width or height, within ± ``level``.
    ``scale``     The box's width and height are ``level`` times as large, about its centre.
    ``rotation``  The camera turns by ``level`` degrees about the box's centre, either way.
    ``blur``      Gaussian blur; standard deviation in input pixels.
    ``jpeg``      The crop was compressed; quality from 1 to 100, as libjpeg has it.
    ``darkness``  Share of the light that is left, with its shot noise: `darken`.
    ``occlusion`` A grey rectangle hides this share of the crop's area.
    ============= ====================================================================================

    Args:
        kind: What happens.
        level: How much of it.

    Raises:
        ElifPoseError: If there is no such kind, or the level is not above 0 or too high for it.
    """

    kind: Kind
    level: float

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ElifPoseError(f"there is no corruption {self.kind!r}; there are {', '.join(_KINDS)}")
        highest = _KINDS[self.kind].highest
        if not 0.0 < self.level <= highest:
            raise ElifPoseError(
                f"the level of corruption {self.kind!r} is {self.level}; it must be above 0, up to {highest:g}"
            )

    def __str__(self) -> str:
        return _KINDS[self.kind].label.format(self.level)

    def crop(
        self,
        image: ImageArray,
        box_xywh: FloatArray,
        input_size: tuple[int, int],
        padding: float,
        rng: np.random.Generator,
    ) -> tuple[ImageArray, FloatArray]:
        """Cut a person out of an image, disturbed.

        With the same generator, levels of one kind draw the same direction or place, so that they compare.

        Args:
            image: ``(H, W, 3)``, RGB.
            box_xywh: ``(4,)``, the person's true box, image pixels, left, top, width, height.
            input_size: Width and height of the crop, pixels.
            padding: Factor on the box.
            rng: Source of the draws.

        Returns:
            The crop ``(H_input, W_input, 3)``, and the matrix ``(2, 3)`` from image pixels to its pixels.
        """
        matrix = self._matrix(box_xywh, input_size, padding, rng)
        return self._pixels(warp(image, matrix, input_size), rng), matrix

    def _matrix(
        self, box_xywh: FloatArray, input_size: tuple[int, int], padding: float, rng: np.random.Generator
    ) -> FloatArray:
        """Image pixels to input pixels, with the box or the camera disturbed."""
        box, rotation = box_xywh, 0.0
        if self.kind == "shift":
            box = shift_box(box, self.level, rng)
        elif self.kind == "scale":
            box = scale_box(box, self.level)
        elif self.kind == "rotation":
            rotation = self.level if rng.random() < 0.5 else -self.level
        center, scale = box_to_center_scale(box, input_size, padding)
        return image_to_input_matrix(center, scale, input_size, rotation)

    def _pixels(self, crop: ImageArray, rng: np.random.Generator) -> ImageArray:
        if self.kind == "blur":
            return np.asarray(cv2.GaussianBlur(crop, (0, 0), self.level), np.uint8)
        if self.kind == "jpeg":
            return compress(crop, round(self.level))
        if self.kind == "darkness":
            return darken(crop, self.level, rng)
        if self.kind == "occlusion":
            return occlude(crop, self.level, rng)
        return crop


def shift_box(box_xywh: FloatArray, share: float, rng: np.random.Generator) -> FloatArray:
    """A box ``(4,)`` moved by up to ± ``share`` of its width and of its height, drawn uniformly for each axis."""
    return np.concatenate((box_xywh[:2] + rng.uniform(-share, share, 2) * box_xywh[2:], box_xywh[2:]))


def scale_box(box_xywh: FloatArray, factor: float) -> FloatArray:
    """A box ``(4,)`` made ``factor`` times as wide and high about its centre."""
    size = box_xywh[2:] * factor
    return np.concatenate((box_xywh[:2] + 0.5 * (box_xywh[2:] - size), size))


def compress(crop: ImageArray, quality: int) -> ImageArray:
    """What is left of an RGB image after JPEG compression."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def darken(crop: ImageArray, light: float, rng: np.random.Generator) -> ImageArray:
    """An RGB image as taken with a share ``light`` of its light, without the exposure following.

    A value v stands for the light ``L = (v / 255)^2.2``. The sensor counts photons, 1000 where the image was white:
    ``n ~ Poisson(light · 1000 · L)``, in each colour of each pixel by itself, and gives
    ``255 · min(n / 1000, 1)^(1 / 2.2)``, rounded.
    """
    mean_of_value = light * _WHITE_PHOTONS * (np.arange(256) / 255.0) ** _GAMMA
    photons = rng.poisson(mean_of_value[crop])
    return np.rint(255.0 * np.minimum(photons / _WHITE_PHOTONS, 1.0) ** (1.0 / _GAMMA)).astype(np.uint8)


def occlude(crop: ImageArray, share: float, rng: np.random.Generator) -> ImageArray:
    """An image ``(H, W, 3)`` with a grey rectangle of its own proportions over ``share`` of its area, anywhere."""
    height, width = crop.shape[:2]
    rows = max(round(height * math.sqrt(share)), 1)
    columns = max(min(round(share * height * width / rows), width), 1)
    top, left = (int(rng.random() * (free + 1)) for free in (height - rows, width - columns))
    hidden = crop.copy()
    hidden[top : top + rows, left : left + columns] = _GREY
    return hidden


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("shift", 0.1),
    Corruption("shift", 0.2),
    Corruption("scale", 0.8),
    Corruption("scale", 1.25),
    Corruption("rotation", 15.0),
    Corruption("rotation", 45.0),
    Corruption("blur", 1.0),
    Corruption("blur", 2.0),
    Corruption("blur", 4.0),
    Corruption("jpeg", 30.0),
    Corruption("jpeg", 10.0),
    Corruption("darkness", 0.25),
    Corruption("darkness", 0.05),
    Corruption("occlusion", 0.1),
    Corruption("occlusion", 0.25),
)
"""What `elifpose.training.robustness` measures: a mild and a strong level of each, and one more of blur."""
