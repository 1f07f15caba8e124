"""A trained network that is run on the people in a picture: crop, infer, map back."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
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
        self._runner: Runner
        if self.path.suffix == ".onnx":
            onnx = OnnxRunner(self.path, threads)
            self._runner, self.input_size = onnx, onnx.contract.input_size
            names, name = tuple(onnx.about["skeleton"]["keypoints"]), onnx.about["skeleton"]["name"]
            stored = onnx.about["calibration"]
            calibration = None if stored is None else ScoreCalibration(**stored)
            inside = onnx.contract.outputs == "keypoints"
        else:
            source = load_source(self.path)
            self._runner, self.input_size = NetworkRunner(source.network, source.codec), source.codec.input_size
            names, name = source.skeleton.keypoints, source.skeleton.name
            calibration, inside = source.calibration, False
        if names != HALPE26.keypoints:
            raise ElifPoseError(
                f"{self.path} finds the {len(names)} keypoints of {name!r}; joint angles need those of halpe26: "
                "give a network that was trained with them"
            )
        self._calibration = None if inside else calibration
        self.warnings: tuple[str, ...] = ()
        if calibration is None:
            self.warnings = (f"the scores of {self.path.name} are raw, not calibrated; they are cut to 0 to 1",)

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
        answer = self._runner(crops)
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
        points = apply_affine(invert_affine(to_input), answer.keypoints_input.double().numpy())
        scores = answer.scores if self._calibration is None else self._calibration(answer.scores)
        return np.concatenate((points, scores.double().clamp(0.0, 1.0).numpy()[..., None]), axis=-1)
