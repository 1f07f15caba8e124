"""A trained network that is run on the people in a picture: crop, infer, map back."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration, recorded_calibration
from elifpose.datasets.transforms import warp
from elifpose.export.onnx_runner import OnnxRunner
from elifpose.export.running import Answer, NetworkRunner, Runner
from elifpose.export.source import load_source
from elifpose.inference.recording import FloatArray
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine, box_to_center_scale, image_to_input_matrix, invert_affine
from elifpose.utils.image import ImageArray


class PoseRunner:
    """A trained network that finds the 26 keypoints of people in boxes.

    Args:
        path: A checkpoint, a network file, or an ONNX file that ElifPose exported.
        threads: Of each operator of an ONNX file; 0 leaves it to onnxruntime.

    Attributes:
        path: The file.
        input_size: Width and height of the network's input, pixels.
        warnings: What limits its scores, in sentences.

    Raises:
        ElifPoseError: If the file cannot be read, or its keypoints are not Halpe26's.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        self.path = Path(path)
        network = _of_onnx(self.path, threads) if self.path.suffix == ".onnx" else _of_checkpoint(self.path)
        if network.keypoints != HALPE26.keypoints:
            raise ElifPoseError(
                f"{self.path} finds the {len(network.keypoints)} keypoints of {network.skeleton!r}; joint angles need"
                " those of halpe26: give a network that was trained with them"
            )
        self.input_size = network.input_size
        self.warnings: tuple[str, ...] = ()
        if network.calibration is None:
            self.warnings = (f"the scores of {self.path.name} are raw, not calibrated; they are cut to 0 to 1",)
        self._run = network.run
        self._calibration = None if network.calibrates else network.calibration

    def __call__(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Keypoints of the people in a frame.

        Args:
            image: ``(H, W, 3)`` uint8, RGB.
            boxes: ``(N, 4)``, left, top, width, height, image pixels.

        Returns:
            ``(N, 26, 3)`` float64: x and y in image pixels, score from 0 to 1.
        """
        if not len(boxes):
            return np.zeros((0, HALPE26.num_keypoints, 3))
        crops, to_input = self._preprocess(image, boxes)
        answer = self._run(crops)
        return self._postprocess(answer, to_input)

    def _preprocess(self, image: ImageArray, boxes: FloatArray) -> tuple[Tensor, FloatArray]:
        """Crops ``(N, 3, H, W)`` uint8 RGB, and the matrices ``(N, 2, 3)`` from image to input pixels."""
        centers, scales = box_to_center_scale(boxes, self.input_size)
        pairs = zip(centers, scales, strict=True)
        to_input = np.stack([image_to_input_matrix(center, scale, self.input_size) for center, scale in pairs])
        crops = np.stack([warp(image, matrix, self.input_size) for matrix in to_input])
        return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous(), to_input

    def _postprocess(self, answer: Answer, to_input: FloatArray) -> FloatArray:
        """Keypoints back in image pixels, beside scores that are calibrated and cut: ``(N, 26, 3)``."""
        keypoints_image = apply_affine(invert_affine(to_input), answer.keypoints_input.double().numpy())
        scores = answer.scores if self._calibration is None else self._calibration(answer.scores)
        return np.concatenate((keypoints_image, scores.double().clamp(0.0, 1.0).numpy()[..., None]), axis=-1)


class _Network(NamedTuple):
    """What a file holds."""

    run: Runner
    input_size: tuple[int, int]
    keypoints: tuple[str, ...]
    skeleton: str
    """Its name."""
    calibration: ScoreCalibration | None
    calibrates: bool
    """Whether the scores that it answers with are calibrated already."""


def _of_onnx(path: Path, threads: int) -> _Network:
    onnx = OnnxRunner(path, threads)
    skeleton, calibrates = onnx.about["skeleton"], onnx.contract.outputs == "keypoints"
    calibration = recorded_calibration(onnx.about)
    return _Network(
        onnx, onnx.contract.input_size, tuple(skeleton["keypoints"]), skeleton["name"], calibration, calibrates
    )


def _of_checkpoint(path: Path) -> _Network:
    source = load_source(path)
    skeleton, runner = source.skeleton, NetworkRunner(source.network, source.codec)
    return _Network(
        runner, source.codec.input_size, skeleton.keypoints, skeleton.name, source.calibration, calibrates=False
    )
