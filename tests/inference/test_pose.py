import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.transforms import GeometricTransform, warp
from elifpose.export.contract import Contract, metadata
from elifpose.inference.detector import BoxesFile, Detections, WholeFrame
from elifpose.inference.frames import Frame, FrameSource, open_source
from elifpose.inference.pose import PoseRunner, TrackingSettings, track_people
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, save_network
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26, skeleton_record
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine, invert_affine
from elifpose.utils.image import ImageArray

WIDTH, HEIGHT = 48, 64
IMAGE_SIZE = (160, 120)
BOX = np.array([[20.0, 30.0, 60.0, 80.0]])
CONTRACT = Contract((WIDTH, HEIGHT), 1.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def write_brightest(
    path: Path,
    calibration: dict[str, float] | None = None,
    skeleton: Skeleton = HALPE26,
    contract: Contract = CONTRACT,
) -> Path:
    """A network whose keypoints all lie where the crop is brightest; a raw score is the brightness over 200."""
    onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
    pytest.importorskip("onnxruntime", reason="needs elifpose[export]")
    from onnx import TensorProto, helper, numpy_helper

    keypoints = skeleton.num_keypoints
    constants = {
        "all": np.full(1, 200, np.float32),
        "along_x": np.array([1, 2]),
        "along_y": np.array([1, 3]),
        "times": np.array([1, keypoints, 1]),
        "first": np.array([1]),
    }
    nodes = [helper.make_node("Div", ["images", "all"], ["values"])]
    for axis in ("x", "y"):
        nodes += [
            helper.make_node("ReduceMax", ["values", f"along_{axis}"], [f"row_{axis}"], keepdims=0),
            helper.make_node("Unsqueeze", [f"row_{axis}", "first"], [f"one_{axis}"]),
            helper.make_node("Tile", [f"one_{axis}", "times"], [f"simcc_{axis}"]),
        ]
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(f"simcc_{axis}", TensorProto.FLOAT, None) for axis in ("x", "y")],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    codec = {"input_size": [WIDTH, HEIGHT], "split_ratio": 1.0}
    about = {"codec": codec, "calibration": calibration, "skeleton": skeleton.arguments()}
    helper.set_model_props(model, metadata(contract, about))
    onnx.save(model, path)
    return path


def spotted(*spots: tuple[float, float, int]) -> ImageArray:
    """A black picture with spots of x, y and brightness."""
    image = np.zeros((IMAGE_SIZE[1], IMAGE_SIZE[0], 3), dtype=np.uint8)
    for x, y, brightness in spots:
        cv2.circle(image, (round(x), round(y)), 4, (brightness,) * 3, -1)
    return cv2.GaussianBlur(image, (9, 9), 2).astype(np.uint8)


def test_keypoints_come_back_to_image_pixels(tmp_path: Path) -> None:
    """Two people in one batch; a pixel of the input is about two of the image's."""
    pose = PoseRunner(write_brightest(tmp_path / "pose.onnx"), threads=1)
    found = pose(spotted((40, 50, 250), (130, 80, 120)), np.concatenate((BOX, [[100.0, 40.0, 50.0, 70.0]])))
    assert found.shape == (2, 26, 3)
    assert found.dtype == np.float64
    assert np.abs(found[0, :, :2] - (40, 50)).max() < 2.0
    assert np.abs(found[1, :, :2] - (130, 80)).max() < 2.0
    assert found[0, :, 2] == pytest.approx(1.0)  # 1.2 before it was cut
    assert 0.3 < found[1, 0, 2] < 0.6
    assert pose(spotted(), BOX[:0]).shape == (0, 26, 3)


def test_scores_are_calibrated_where_the_file_says_how(tmp_path: Path) -> None:
    image = spotted((40, 50, 200))
    raw = PoseRunner(write_brightest(tmp_path / "raw.onnx"), threads=1)
    pose = PoseRunner(write_brightest(tmp_path / "pose.onnx", {"temperature": 0.5, "offset": 0.25}), threads=1)
    expected = 1 / (1 + np.exp(-(raw(image, BOX)[0, 0, 2] - 0.25) / 0.5))
    assert pose(image, BOX)[0, :, 2] == pytest.approx(expected)
    assert pose.warnings == ()
    assert raw.warnings == ("the scores of raw.onnx are raw, not calibrated; they are cut to 0 to 1",)


def write_network(path: Path, skeleton: Skeleton) -> PoseEstimator:
    """A tiny network with weights of chance."""
    torch.manual_seed(0)
    head = RTMCCHead(64, skeleton.num_keypoints, (WIDTH, HEIGHT), stride=16, hidden_dims=32)
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), head).eval()
    record = {
        "codec": SimCC((WIDTH, HEIGHT)).arguments(),
        "skeleton": skeleton_record(skeleton),
        "calibration": {"temperature": 0.2, "offset": 0.1},
    }
    save_network(network, path, record)
    return network


def test_a_checkpoint_sees_the_crops_of_validation(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    network = write_network(path, HALPE26)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    nothing = np.zeros((26, 2)), np.zeros(26, dtype=bool)
    plan = GeometricTransform().draw(*nothing, BOX[0], HALPE26, (WIDTH, HEIGHT), rng=None)
    crop = torch.from_numpy(warp(image, plan.matrix, (WIDTH, HEIGHT))).permute(2, 0, 1)[None]
    with torch.no_grad():
        points, scores = SimCC((WIDTH, HEIGHT)).decode(*network(crop))
    found = PoseRunner(path)(image, BOX)[0]
    assert found[:, :2] == pytest.approx(apply_affine(invert_affine(plan.matrix), points[0].double().numpy()))
    assert found[:, 2] == pytest.approx(ScoreCalibration(0.2, 0.1)(scores[0]).numpy())


def test_networks_of_other_keypoints_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "network.safetensors", COCO17)
    for path in (tmp_path / "network.safetensors", write_brightest(tmp_path / "pose.onnx", skeleton=COCO17)):
        with pytest.raises(
            ElifPoseError, match="finds the 17 keypoints of 'coco17'; joint angles need those of halpe26"
        ):
            PoseRunner(path)


def path_of(who: int, frame: int) -> tuple[float, float]:
    """Where a spot is: one to the right, one to the left below it."""
    return (30.0 + 4 * frame, 30.0) if who == 0 else (130.0 - 4 * frame, 90.0)


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder of 24 frames with two spots, the second of which is seen from frame 4 to 20, boxes, and a network."""
    folder = tmp_path_factory.mktemp("spots")
    (folder / "frames").mkdir()
    records = []
    for frame in range(24):
        people = [0, 1] if 4 <= frame <= 20 else [0]
        cv2.imwrite(str(folder / f"frames/{frame}.png"), spotted(*((*path_of(who, frame), 220) for who in people)))
        for who in people:
            x, y = path_of(who, frame)
            records.append({"image_id": frame, "bbox": [x - 12, y - 22, 30, 40], "score": 0.9 - 0.1 * who})
    records.append({"image_id": 7, "bbox": [0, 80, 20, 40], "score": 0.5})  # nobody
    (folder / "boxes.json").write_text(json.dumps(records))
    return folder / "frames", folder / "boxes.json", write_brightest(folder / "pose.onnx")


def test_people_are_followed_through_a_recording(spots: tuple[Path, Path, Path]) -> None:
    frames, boxes, network = spots
    counted: list[int] = []
    pose = PoseRunner(network, threads=1)
    recording, tracks = track_people(open_source(frames, 24.0), BoxesFile(boxes), pose, progress=counted.append)
    assert recording[:4] == (str(frames), 24.0, IMAGE_SIZE, 24)
    assert recording.warnings == (*pose.warnings, "1 person seen for less than 0.5 s is left out")
    assert counted == list(range(1, 25))
    assert [track.person for track in tracks] == [0, 1]
    for track in tracks:
        true = np.array([path_of(track.person, frame) for frame in range(24)])
        seen = slice(None) if track.person == 0 else slice(4, 21)
        assert track.keypoints.shape == (24, 26, 3)
        assert np.abs(track.keypoints[seen, :, :2] - true[seen, None]).max() < 2.0
        assert track.boxes[seen, :2] == pytest.approx(true[seen] - (12, 22))
        assert track.times_s == pytest.approx(np.arange(24) / 24)
    unseen = [*range(4), 21, 22, 23]
    assert np.isnan(tracks[1].keypoints[unseen, :, :2]).all()
    assert (tracks[1].keypoints[unseen, :, 2] == 0).all()
    assert np.isnan(tracks[1].boxes[unseen]).all()


class Counted:
    """Boxes of a file, and which frames they were asked for."""

    def __init__(self, boxes: BoxesFile) -> None:
        self._boxes = boxes
        self.asked: list[int] = []

    def __call__(self, frame: Frame) -> Detections:
        """The boxes of a frame."""
        self.asked.append(frame.number)
        return self._boxes(frame)


def test_between_detections_people_are_followed_by_what_is_known(spots: tuple[Path, Path, Path]) -> None:
    frames, boxes, network = spots
    detector, settings = Counted(BoxesFile(boxes)), TrackingSettings(detect_every=4, min_seen_s=0.5)
    pose = PoseRunner(network, threads=1)
    _, tracks = track_people(open_source(frames, 24.0), detector, pose, settings)
    assert detector.asked == [0, 4, 8, 12, 16, 20]
    assert len(tracks) == 2
    true = np.array([path_of(0, frame) for frame in range(24)])
    off = np.abs(tracks[0].keypoints[:, 0, :2] - true).max(axis=1)
    assert off[4:].max() < 2.0  # the first frames know no velocity yet


def test_nobody_and_wrong_settings_are_told(spots: tuple[Path, Path, Path], tmp_path: Path) -> None:
    frames, _, network = spots
    pose = PoseRunner(network, threads=1)
    (tmp_path / "boxes.json").write_text(json.dumps([{"image_id": 99, "bbox": [1, 2, 3, 4]}]))
    with pytest.raises(ElifPoseError, match="nobody is seen for 12 of 24 frames; give boxes by --boxes"):
        track_people(open_source(frames, 24.0), BoxesFile(tmp_path / "boxes.json"), pose)
    with pytest.raises(ElifPoseError, match="detect_every is 0"):
        track_people(open_source(frames, 24.0), WholeFrame(), pose, TrackingSettings(detect_every=0))


def test_one_picture_needs_no_half_second(spots: tuple[Path, Path, Path]) -> None:
    frames, _, network = spots
    recording, (track,) = track_people(open_source(frames / "9.png"), WholeFrame(), PoseRunner(network, threads=1))
    assert (recording.frames, track.keypoints.shape) == (1, (1, 26, 3))


class Interrupted(FrameSource):
    """A camera at which Ctrl+C is pressed after ten frames."""

    def __init__(self) -> None:
        super().__init__("0", 24.0, IMAGE_SIZE, None)

    def _read(self) -> Iterator[tuple[ImageArray, float, str]]:
        for number in range(10):
            yield spotted((80, 60, 200)), number / 24.0, ""
        raise KeyboardInterrupt


def test_an_interrupted_camera_leaves_what_it_saw(spots: tuple[Path, Path, Path]) -> None:
    recording, (track,) = track_people(Interrupted(), WholeFrame(), PoseRunner(spots[2], threads=1))
    assert recording.frames == 10
    assert np.isfinite(track.keypoints).all()
