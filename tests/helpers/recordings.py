"""Networks and videos for `elifpose analyze`, as small as can be."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.biomechanics.points import FloatArray
from elifpose.export.contract import Contract, metadata
from elifpose.structures import Skeleton


def write_network(path: Path, skeleton: Skeleton, places: FloatArray) -> Path:
    """A network that gives places ``(K, 2)``, fitted into the crop, whatever it sees; the score of a NaN is 0."""
    onnx = pytest.importorskip("onnx", reason="needs elifpose[export]")
    pytest.importorskip("onnxruntime", reason="needs elifpose[export]")
    from onnx import TensorProto, helper, numpy_helper

    size = (192, 256)
    contract = Contract(size, 2.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    lowest, highest = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    zoom = 0.8 * min(size / (highest - lowest))
    inputs = (places - (lowest + highest) / 2) * zoom + np.array(size) / 2
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["zero"]),
        helper.make_node("Unsqueeze", ["zero", "two_axes"], ["nothing"]),
    ]
    constants = {"none": np.zeros(1, np.float32), "two_axes": np.array([1, 2])}
    for axis, name in enumerate("xy"):
        bins = np.zeros((1, len(places), 2 * size[axis]), np.float32)
        for point, place in enumerate(inputs[:, axis]):
            if np.isfinite(place):
                bins[0, point, round(2 * place)] = 0.9
        constants[f"bins_{name}"] = bins
        nodes.append(helper.make_node("Add", ["nothing", f"bins_{name}"], [f"simcc_{name}"]))
    graph = helper.make_graph(
        nodes,
        "one posture",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size[1], size[0]])],
        [helper.make_tensor_value_info(f"simcc_{name}", TensorProto.FLOAT, None) for name in "xy"],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    codec = {"input_size": list(size), "split_ratio": 2.0}
    about = {"codec": codec, "calibration": None, "skeleton": skeleton.arguments()}
    helper.set_model_props(model, metadata(contract, about))
    onnx.save(model, str(path))
    return path


def write_video(path: Path, frames: int) -> Path:
    """Noise, 160 x 120 pixels, 30 frames per second."""
    noise = np.random.default_rng(0).integers(0, 256, (frames, 120, 160, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120))
    for frame in noise:
        writer.write(frame)
    writer.release()
    return path
