"""Pictures of bright spots, and a network that finds the brightest place."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.export.contract import Contract, metadata
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.image import ImageArray

INPUT_SIZE = WIDTH, HEIGHT = 48, 64
IMAGE_SIZE = (160, 120)
CONTRACT = Contract(INPUT_SIZE, 1.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def write_brightest(path: Path, calibration: dict[str, float] | None = None, skeleton: Skeleton = HALPE26) -> Path:
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
    helper.set_model_props(model, metadata(CONTRACT, about))
    onnx.save(model, path)
    return path


def spotted(*spots: tuple[float, float, int]) -> ImageArray:
    """A black picture with spots of x, y and brightness."""
    image = np.zeros((IMAGE_SIZE[1], IMAGE_SIZE[0], 3), dtype=np.uint8)
    for x, y, brightness in spots:
        cv2.circle(image, (round(x), round(y)), 4, (brightness,) * 3, -1)
    return cv2.GaussianBlur(image, (9, 9), 2).astype(np.uint8)
