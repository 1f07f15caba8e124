"""An exported file in the place of the network that it was made of, so that what is reported is what ships."""

from pathlib import Path
from typing import final

from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.export.average_precision import FlipTest
from elifpose.export.onnx_runner import OnnxRunner
from elifpose.structures.skeleton import Skeleton
from elifpose.training.prediction import PosePrediction
from elifpose.utils.errors import ElifPoseError

SUFFIX = ".onnx"


@final
class Artefact:
    """Predicts by an ONNX file that ``elifpose export`` wrote.

    Args:
        path: The file.
        skeleton: The keypoints that it must answer with.
        codec: Of the evaluation; the file must take crops of its input size.
        flip_test: Whether to average the logits of image and mirrored image; a file that gives keypoints cannot.

    Attributes:
        flip_test: Whether that is done.
        precision: The file's, such as ``int8``.

    Raises:
        ElifPoseError: onnxruntime is missing, or the file is, or it is of another network than the configuration.
    """

    def __init__(self, path: Path, skeleton: Skeleton, codec: SimCC, flip_test: bool) -> None:
        self.path = path
        runner = OnnxRunner(path)
        names = tuple(runner.about["skeleton"]["keypoints"])
        if names != skeleton.keypoints:
            raise ElifPoseError(
                f"--ckpt_path {path}: answers with {len(names)} keypoints, other than those of {skeleton.name!r};"
                " give the configuration of the fit that it was exported from"
            )
        if runner.contract.input_size != codec.input_size:
            raise ElifPoseError(
                f"--ckpt_path {path}: takes crops of {runner.contract.input_size} pixels, and the configuration"
                f" makes {codec.input_size}; set --model.codec.input_size"
            )
        self.flip_test = flip_test and runner.contract.outputs == "simcc"
        self.precision: str = runner.about["precision"]
        self._runner = FlipTest(runner, runner.codec, skeleton.flip_indices) if self.flip_test else runner

    def __call__(self, images: Tensor) -> PosePrediction:
        """Keypoints of crops ``(N, 3, H, W)`` uint8 RGB."""
        answer = self._runner(images.cpu())
        return PosePrediction(answer.keypoints_input, answer.scores)
