"""AP of whatever answers for crops: a network, or the file that was made of it."""

from collections.abc import Iterable, Sequence

import torch
from rich.progress import track
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.splits import open_split
from elifpose.evaluation.set_evaluator import SetEvaluation, SetEvaluator
from elifpose.evaluation.settings import Evaluation
from elifpose.export.parity import final_scores
from elifpose.export.running import Answer, Runner
from elifpose.models.pose_estimator import average_mirrored
from elifpose.structures.batch import PoseBatch, collate
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.errors import ElifPoseError

_AT_ONCE = 50


class FlipTest:
    """Averages the logits for crops and for their mirror images, as the network's own flip test does.

    Args:
        runner: Gives logits.
        codec: How their bins become keypoints.
        flip_indices: For each keypoint the index of its partner on the other side of the body.
    """

    def __init__(self, runner: Runner, codec: SimCC, flip_indices: Sequence[int]) -> None:
        self._runner = runner
        self._codec = codec
        self._partners = list(flip_indices)

    def __call__(self, images: Tensor) -> Answer:
        """Answer for crops ``(N, 3, H, W)`` uint8 RGB.

        Raises:
            ElifPoseError: What is run gives no logits.
        """
        straight, mirrored = self._runner(images).simcc, self._runner(images.flip(-1)).simcc
        if straight is None or mirrored is None:
            raise ElifPoseError(
                "the flip test averages logits, and the file gives keypoints; evaluate it without, or export it with "
                "the outputs simcc"
            )
        last_bin = round(self._codec.split_ratio * (self._codec.input_size[0] - 1))
        x = average_mirrored(straight[0], mirrored[0][:, self._partners], last_bin)
        y = (straight[1] + mirrored[1][:, self._partners]) * 0.5
        return Answer(*self._codec.decode(x, y), (x, y))


@torch.inference_mode()
def evaluate(
    runner: Runner,
    data_set: PoseDataset,
    batches: Iterable[PoseBatch],
    settings: Evaluation = Evaluation(),  # noqa: B008 - frozen; the signature is the configuration
    calibration: ScoreCalibration | None = None,
) -> SetEvaluation:
    """What a runner's answers are worth.

    Args:
        runner: A network or a file.
        data_set: The people, in the runner's keypoints.
        batches: All of them, see :func:`in_order`.
        settings: How they are judged.
        calibration: Done to the scores of answers that have logits, so that a network is judged by the same scores as
            a file that calibrates inside: AP depends on them.
    """
    evaluator = SetEvaluator(data_set.skeleton, data_set.ground_truth(), settings, data_set.from_detector)
    for batch in batches:
        answer = runner(batch.images)
        evaluator.update(answer.keypoints_input, final_scores(answer, calibration), batch)
    return evaluator.evaluate()


def in_order(data_set: PoseDataset) -> Iterable[PoseBatch]:
    """Everybody of a set, read in this process, with a bar that shows how far it is."""
    starts = range(0, len(data_set), _AT_ONCE)
    for start in track(starts, f"evaluating on {data_set.name}", transient=True):
        yield collate(data_set.__getitems__(list(range(start, min(start + _AT_ONCE, len(data_set))))))


def average_precision(
    runner: Runner, data: PoseDataModule, skeleton: Skeleton, calibration: ScoreCalibration | None = None
) -> dict[str, float]:
    """AP by validation set, without the flip test.

    Args:
        runner: A network or a file.
        data: Names the sets; those of validation are opened here.
        skeleton: The runner's keypoints.
        calibration: As for :func:`evaluate`.

    Raises:
        ElifPoseError: The sets are of other keypoints, or cannot be read.
    """
    if data.skeleton.keypoints != skeleton.keypoints:
        raise ElifPoseError(
            f"the data has the keypoints of {data.skeleton.name!r}, the network those of {skeleton.name!r}: give the"
            " --config that the network was trained with"
        )
    sets = open_split(data, "val")
    return {
        name: evaluate(runner, of_set, in_order(of_set), calibration=calibration).figures["AP"]
        for name, of_set in sets.items()
    }
