import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.inference.boxes import overlaps
from elifpose.inference.detector import BoxesFile, Detector, WholeFrame, fit_into
from elifpose.inference.frames import Frame
from elifpose.inference.recording import FloatArray
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image

onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
pytest.importorskip("onnxruntime", reason="needs elifpose[export]")

SIDE = 64
FRAME = Frame(0, 0.0, np.full((120, 160, 3), (51, 102, 204), dtype=np.uint8))
ZOOM = SIDE / 160
CORNERS = np.array([[8.0, 8, 24, 40], [30, 4, 50, 44]])


def write(
    path: Path,
    dets: FloatArray,
    labels: Sequence[int] | None = None,
    channels: int = 3,
    size: int | str = SIDE,
    pixel: tuple[int, int, int] | None = None,
) -> Path:
    """A detector that says the same of each frame.

    Its first convolution, of which it makes no use, has so many channels. With ``pixel`` the first score is that
    number of its input: channel, row, column.
    """
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "weight": np.zeros((1, channels, 1, 1), np.float32),
        "stacked": np.zeros((1, channels, 8, 8), np.float32),
        "stored": dets.astype(np.float32)[None],
        "start": np.array((0, *(pixel or (0, 0, 0)))),
        "stop": np.array((1, *(place + 1 for place in pixel or (0, 0, 0)))),
        "place": np.array([[0, 0, 4]]),
        "flat": np.array((1,)),
    }
    nodes = [
        helper.make_node("Conv", ["stacked", "weight"], ["features"]),
        helper.make_node("Identity", ["stored" if pixel is None else "scored"], ["dets"]),
    ]
    if pixel is not None:
        nodes[1:1] = [
            helper.make_node("Slice", ["input", "start", "stop"], ["number"]),
            helper.make_node("Reshape", ["number", "flat"], ["score"]),
            helper.make_node("ScatterND", ["stored", "place", "score"], ["scored"]),
        ]
    outputs = [helper.make_tensor_value_info("dets", TensorProto.FLOAT, None)]
    if labels is not None:
        constants["classes"] = np.array([labels])
        nodes.append(helper.make_node("Identity", ["classes"], ["labels"]))
        outputs.append(helper.make_tensor_value_info("labels", TensorProto.INT64, None))
    images = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, size, size])
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "stub", [images], outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def boxes(corners: FloatArray) -> FloatArray:
    """Left, top, width, height in the frame of corners in the input."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1) / ZOOM


def scored(*scores: float) -> FloatArray:
    return np.concatenate((CORNERS, np.array(scores)[:, None]), axis=1)


def test_boxes_come_in_image_pixels_best_first_and_above_the_least_score(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", scored(0.5, 0.9))
    found = Detector(path)(FRAME)
    assert found.boxes == pytest.approx(boxes(CORNERS[::-1]))
    assert found.scores == pytest.approx([0.9, 0.5])
    assert Detector(path, min_score=0.6)(FRAME).boxes == pytest.approx(boxes(CORNERS[1:]))
    assert Detector(path, min_score=0.95)(FRAME).boxes.shape == (0, 4)


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("layout", ["rtmdet", "yolox"])
def test_each_layout_is_recognised_and_fed_as_it_wants(tmp_path: Path, layout: str, channel: int) -> None:
    path = write(tmp_path / "a.onnx", scored(0, 0), None, 12 if layout == "yolox" else 3, pixel=(channel, 5, 5))
    detector = Detector(path, min_score=-9.0)
    blue_first = (204, 102, 51)[channel]
    normalised = (blue_first - (103.53, 116.28, 123.675)[channel]) / (57.375, 57.12, 58.395)[channel]
    expected = blue_first if layout == "yolox" else normalised
    assert detector.layout == layout
    assert sorted(detector(FRAME).scores) == pytest.approx(sorted((expected, 0.0)), rel=1e-5)


def test_a_frame_is_fitted_into_the_upper_left_of_grey() -> None:
    fitted, zoom = fit_into(FRAME.image, (SIDE, SIDE))
    assert (fitted[:48] == (51, 102, 204)).all()
    assert (fitted[48:] == 114).all()
    assert zoom.tolist() == [0.4, 0.4]


@pytest.mark.parametrize("as_column", [False, True])
def test_other_classes_are_left_out(tmp_path: Path, as_column: bool) -> None:
    dets = scored(0.5, 0.9)
    if as_column:
        path = write(tmp_path / "a.onnx", np.concatenate((dets, [[0.0], [2.0]]), axis=1))
    else:
        path = write(tmp_path / "a.onnx", dets, labels=(0, 2))
    assert Detector(path)(FRAME).boxes == pytest.approx(boxes(CORNERS[:1]))


def test_boxes_end_at_the_frames_border(tmp_path: Path) -> None:
    dets = np.array([[-8.0, 20, 20, 60, 0.9], [64, 0, 70, 20, 0.8]])
    found = Detector(write(tmp_path / "a.onnx", dets))(FRAME)
    assert found.boxes == pytest.approx(np.array([[0.0, 50, 50, 70]]))


def test_yolox_grids_are_decoded_and_doubles_left_out(tmp_path: Path) -> None:
    """One person in the middle grid's cell of column 2, row 1, and a worse double from the finest grid."""
    raw = np.zeros((64 + 16 + 4, 5 + 2))
    raw[64 + 1 * 4 + 2] = (0.5, 0.25, np.log(1.5), np.log(2.0), 0.9, 0.8, 0.1)
    raw[2 * 8 + 5] = (0.0, 0.5, np.log(3.0), np.log(4.0), 0.8, 0.8, 0.1)
    raw[7] = (0.5, 0.5, 0.0, 0.0, 0.9, 0.1, 0.9)  # of the other class
    found = Detector(write(tmp_path / "a.onnx", raw, channels=12))(FRAME)
    middle, size = np.array([2.5, 1.25]) * 16, np.array([1.5, 2.0]) * 16
    assert found.boxes == pytest.approx(np.concatenate((middle - size / 2, size))[None] / ZOOM)
    assert found.scores == pytest.approx([0.72])


def test_a_file_that_takes_any_size_can_be_given_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", scored(0.5, 0.9), size="side")
    assert Detector(path).input_size == (416, 416)
    found = Detector(path, input_size=(320, 256))(FRAME)
    assert found.boxes == pytest.approx(boxes(CORNERS[::-1]) * ZOOM / 2)
    with pytest.raises(ElifPoseError, match="cannot take 300 x 300 pixels; it takes multiples of 32"):
        Detector(path, input_size=(300, 300))
    with pytest.raises(ElifPoseError, match="it takes only 64 x 64"):
        Detector(write(path, scored(0.5, 0.9)), input_size=(320, 320))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match="there is no ONNX file"):
        Detector(tmp_path / "none.onnx")
    with pytest.raises(ElifPoseError, match=r"neither RTMDet's nor YOLOX's .* 7 channels"):
        Detector(write(tmp_path / "a.onnx", scored(0.5, 0.9), channels=7))
    four = Detector(write(tmp_path / "a.onnx", CORNERS))
    with pytest.raises(ElifPoseError, match=r"its first output is \(1, 2, 4\)"):
        four(FRAME)


def test_the_whole_frame_is_one_person() -> None:
    found = WholeFrame()(FRAME)
    assert (found.boxes.tolist(), found.scores.tolist()) == ([[0.0, 0.0, 160.0, 120.0]], [1.0])


def write_boxes(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text(json.dumps(records))
    return path


def test_boxes_of_a_file_are_found_by_frame_or_by_name(tmp_path: Path) -> None:
    path = write_boxes(
        tmp_path / "boxes.json",
        {"image_id": 0, "bbox": [1, 2, 3, 4], "score": 0.4},
        {"image_id": 0, "bbox": [5, 6, 7, 8], "score": 0.9, "category_id": 1},
        {"image_id": 0, "bbox": [5, 6, 7, 8], "score": 0.9, "category_id": 2},
        {"image_id": 0, "bbox": [5, 6, 7, 0], "score": 0.9},
        {"image_id": 0, "bbox": [5, 6, 7, 8], "score": 0.1},
        {"image_id": "b.jpg", "bbox": [9, 9, 9, 9]},
    )
    detector = BoxesFile(path)
    assert detector(FRAME).boxes.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert detector(FRAME).scores.tolist() == [0.9, 0.4]
    assert detector(FRAME._replace(number=1, name="b.jpg")).boxes.tolist() == [[9, 9, 9, 9]]
    assert detector(FRAME._replace(number=2)).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("{}", "is not a list of boxes"),
        ("[]", "has no box of a person"),
        ('[{"image_id": 0, "bbox": [1, 2, 3]}]', "bbox"),
    ],
)
def test_a_file_without_boxes_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(ElifPoseError, match=message):
        BoxesFile(tmp_path / "boxes.json")
    with pytest.raises(ElifPoseError, match="cannot be read"):
        BoxesFile(tmp_path / "none.json")


def test_a_published_detector_finds_whom_it_found_elsewhere(shared: Path) -> None:
    """Boxes that another implementation stored, whose input size is not known: of a score above a half."""
    samples = shared / "samples"
    detector = Detector(samples / "detector/rtmdet_nano_person.onnx", 0.05, 1.0, (320, 320), threads=1)
    stored = json.loads((samples / "coco_small/annotations/person_detections_val2017.json").read_text())
    assert detector.layout == "rtmdet"
    likeness = []
    for image_id in sorted({record["image_id"] for record in stored}):
        found = detector(Frame(0, 0.0, read_image(samples / f"coco_small/val2017/{image_id:012}.jpg"))).boxes
        good = [record["bbox"] for record in stored if record["image_id"] == image_id and record["score"] > 0.5]
        likeness += overlaps(np.array(good).reshape(-1, 4), found).max(axis=1).tolist()
    assert len(likeness) == 33
    assert min(likeness) > 0.8
    assert np.median(likeness) > 0.94
