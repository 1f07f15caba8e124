"""Where people are in a frame: by a detector in ONNX, by a file of boxes, or as the whole frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import cv2
import numpy as np

from elifpose.datasets.records import number_lists, numbers, read_json
from elifpose.export.onnx_runner import open_session, session_options
from elifpose.inference.boxes import suppress_boxes
from elifpose.inference.frames import Frame
from elifpose.inference.recording import FloatArray
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import ImageArray

if TYPE_CHECKING:
    from onnx import ModelProto

Layout = Literal["rtmdet", "yolox"]
"""RTMDet's files take BGR minus mean over std, YOLOX's take BGR from 0 to 255."""

_PERSON = 0  # COCO's first class
_STRIDES = (8, 16, 32)  # of YOLOX's grids
_GREY = 114
_ANY_SIZE = (416, 416)
_MEAN = np.array((103.53, 116.28, 123.675), dtype=np.float32)  # of ImageNet, blue first
_STD = np.array((57.375, 57.12, 58.395), dtype=np.float32)


class Detections(NamedTuple):
    """``N`` people in a frame, best first."""

    boxes: FloatArray
    """``(N, 4)``, left, top, width, height, image pixels."""
    scores: FloatArray
    """``(N,)``, 0 to 1."""


class PersonDetector(Protocol):
    """Whatever says where people are."""

    def __call__(self, frame: Frame) -> Detections:
        """People in a frame."""


class WholeFrame:
    """One person who fills the frame."""

    def __call__(self, frame: Frame) -> Detections:
        """The frame itself."""
        height, width, _ = frame.image.shape
        return Detections(np.array([[0.0, 0.0, width, height]]), np.ones(1))


class BoxesFile:
    """Boxes of another detector: a JSON list of ``{"image_id", "bbox", "score", "category_id"}``, as COCO's results.

    Args:
        path: The file. ``image_id`` is the frame's number from 0, or a picture's file name; a missing ``score`` is 1.
        min_score: Boxes below are left out.
        person_category: So are boxes of other categories; one without ``category_id`` is a person's.

    Raises:
        ElifPoseError: If the file cannot be read, is no such list, or has no box of a person.
    """

    def __init__(self, path: str | Path, min_score: float = 0.3, person_category: int = 1) -> None:
        path = Path(path)
        try:
            records = read_json(path.read_bytes(), path)
        except OSError as error:
            raise ElifPoseError(f"the boxes {path} cannot be read ({error.strerror}); check --boxes") from error
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise ElifPoseError(f"{path} is not a list of boxes with 'image_id', 'bbox' and 'score'; write it so")
        records = [record for record in records if record.get("category_id", person_category) == person_category]
        boxes = number_lists(path, "box", records, "bbox", (4,), np.nan)
        scores = numbers(path, "box", records, "score", 1.0)
        sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1) & (scores >= min_score)
        self._rows: dict[int | str, list[int]] = {}
        for row in np.flatnonzero(sound).tolist():
            self._rows.setdefault(records[row].get("image_id"), []).append(row)
        if not self._rows:
            raise ElifPoseError(f"{path} has no box of a person with a score of {min_score:g} or more")
        self._boxes, self._scores = boxes, scores

    def __call__(self, frame: Frame) -> Detections:
        """The boxes of a frame."""
        rows = self._rows.get(frame.number) or self._rows.get(frame.name) or []
        rows = sorted(rows, key=lambda row: -self._scores[row])
        return Detections(self._boxes[rows], self._scores[rows])


class Detector:
    """A detector of people in ONNX, on the CPU: RTMDet or YOLOX.

    The file gives corners and score of ``N`` boxes after its suppression of doubles, ``(1, N, 5)``, with classes
    beside them or as a sixth number, or the raw ``(1, N, 5 + classes)`` of YOLOX's three grids.

    Args:
        path: The file.
        min_score: Boxes below are left out.
        max_overlap: Of two boxes that overlap more (intersection over union), the worse is left out.
        input_size: Width and height that frames are fitted into, multiples of 32; by default what the file says, or
            416 x 416 where it takes any: larger finds people who are small in the frame, smaller is faster.
        layout: By default found in the file.
        threads: Of each operator; 0 leaves it to onnxruntime.

    Raises:
        ElifPoseError: If onnxruntime is not installed, or the file is missing, damaged or another kind of network.
    """

    def __init__(
        self,
        path: str | Path,
        min_score: float = 0.3,
        max_overlap: float = 0.6,
        input_size: tuple[int, int] | None = None,
        layout: Layout | None = None,
        threads: int = 0,
    ) -> None:
        self.path = Path(path)
        self._session = open_session(self.path, session_options(threads))
        (first, *others) = self._session.get_inputs()
        if others or len(first.shape) != 4 or first.type != "tensor(float)":
            raise self._refusal(f"it takes {len(others) + 1} inputs, the first {first.type} {first.shape}")
        height, width = (size if isinstance(size, int) else None for size in first.shape[2:])
        chosen = input_size or _ANY_SIZE
        self.input_size: tuple[int, int] = (width or chosen[0], height or chosen[1])
        if self.input_size != (input_size or self.input_size) or any(size % 32 for size in self.input_size):
            fits = f"only {width} x {height}" if width and height else "multiples of 32"
            raise ElifPoseError(f"the detector {path} cannot take {chosen[0]} x {chosen[1]} pixels; it takes {fits}")
        self.layout: Layout = layout or self._find_layout()
        self._input, self._min_score, self._max_overlap = first.name, min_score, max_overlap

    def __call__(self, frame: Frame) -> Detections:
        """People in a frame, best first."""
        letterboxed, zoom = fit_into(frame.image, self.input_size)
        blob = letterboxed[..., ::-1].astype(np.float32)
        if self.layout == "rtmdet":
            blob = (blob - _MEAN) / _STD
        outputs = self._session.run(None, {self._input: np.ascontiguousarray(blob.transpose(2, 0, 1)[None])})
        corners, scores = self._people([np.asarray(output) for output in outputs])
        height, width, _ = frame.image.shape
        corners = np.clip(corners / np.tile(zoom, 2), 0.0, (width, height, width, height))
        boxes = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        good = (scores >= self._min_score) & (boxes[:, 2:] > 0).all(axis=1)
        boxes, scores = boxes[good], scores[good]
        kept = suppress_boxes(boxes, scores, self._max_overlap)
        return Detections(boxes[kept], scores[kept])

    def _people(self, outputs: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Corners ``(N, 4)``, input pixels, and scores ``(N,)`` of the class person."""
        found = outputs[0].astype(np.float64)
        if found.ndim != 3 or len(found) != 1 or found.shape[2] < 5:
            raise self._refusal(f"its first output is {found.shape}")
        found = found[0]
        if found.shape[1] > 5 and len(found) == len(_cells(self.input_size)):
            return from_grids(found, self.input_size)
        classes = found[:, 5] if found.shape[1] > 5 else np.zeros(len(found))
        if len(outputs) > 1 and outputs[1].shape == (1, len(found)):
            classes = outputs[1][0]
        person = classes == _PERSON
        return found[person, :4], found[person, 4]

    def _find_layout(self) -> Layout:
        """By the channels of the first convolution: YOLOX gathers four pixels into one before it."""
        try:
            from onnx import load
        except ImportError as error:
            raise ElifPoseError("a detector's file needs onnx; run `pip install 'elifpose[export]'`") from error
        channels = _first_channels(load(self.path, load_external_data=False))
        if channels not in (3, 12):
            raise self._refusal(f"its first convolution has {channels or 'no known number of'} channels")
        return "yolox" if channels == 12 else "rtmdet"

    def _refusal(self, found: str) -> ElifPoseError:
        return ElifPoseError(
            f"the detector {self.path} has neither RTMDet's nor YOLOX's inputs and outputs ({found}): give such "
            "a detector of people, or boxes by --boxes"
        )


def fit_into(image: ImageArray, size: tuple[int, int]) -> tuple[ImageArray, FloatArray]:
    """Scale a picture into the upper left of a grey one.

    Args:
        image: ``(H, W, 3)``.
        size: Width and height of the result, pixels.

    Returns:
        ``(H_size, W_size, 3)``, and its pixels per image pixel, ``(2,)``, x then y.
    """
    height, width, _ = image.shape
    zoom = min(size[0] / width, size[1] / height)
    fitted = max(1, round(width * zoom)), max(1, round(height * zoom))
    canvas = np.full((size[1], size[0], 3), _GREY, dtype=np.uint8)
    canvas[: fitted[1], : fitted[0]] = cv2.resize(image, fitted, interpolation=cv2.INTER_LINEAR)
    return canvas, np.array((fitted[0] / width, fitted[1] / height))


def from_grids(found: FloatArray, input_size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Corners and scores of people from YOLOX's raw output (Ge et al., "YOLOX", 2021, section 2.3).

    Args:
        found: ``(N, 5 + classes)``: centre from the cell's corner and logarithm of width and height, in strides;
            probability of an object and of each class.
        input_size: Width and height, pixels.

    Returns:
        ``(N, 4)`` left, top, right, bottom, input pixels, and ``(N,)`` scores.
    """
    cells = _cells(input_size)
    centers = (found[:, :2] + cells[:, :2]) * cells[:, 2:]
    halves = np.exp(found[:, 2:4]) * cells[:, 2:] / 2.0
    return np.concatenate((centers - halves, centers + halves), axis=1), found[:, 4] * found[:, 5 + _PERSON]


def _cells(input_size: tuple[int, int]) -> FloatArray:
    """Column, row and stride of each cell of YOLOX's grids, row by row: ``(N, 3)``."""
    grids = []
    for stride in _STRIDES:
        rows, columns = np.indices((input_size[1] // stride, input_size[0] // stride)).reshape(2, -1)
        grids.append(np.stack((columns, rows, np.full(len(rows), stride)), axis=1))
    return np.concatenate(grids).astype(np.float64)


def _first_channels(model: "ModelProto") -> int | None:
    """Input channels of the first convolution; None if its weights are not found."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            shapes[node.output[0]] = node.attribute[0].t.dims
        elif node.op_type in ("DequantizeLinear", "Identity") and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
        elif node.op_type in ("Conv", "QLinearConv", "ConvInteger"):
            weights = [shapes[name] for name in node.input if len(shapes.get(name, ())) == 4]
            return int(weights[0][1]) if weights else None
    return None
