from pathlib import Path

import pytest
import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.export.average_precision import FlipTest, average_precision, evaluate, in_order
from elifpose.export.running import Answer, NetworkRunner
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 96)
CODEC = SimCC(SIZE)
VAL = PoseSet("annotations/person_keypoints_val2017.json", "val2017", "halpe26")


class Truth:
    """Answers with the annotated keypoints of a set that is gone through in order."""

    def __init__(self, data_set: PoseDataset, off: float, raw: bool = True) -> None:
        self._batches = iter(list(in_order(data_set)))
        self._off = off
        self._raw = raw

    def __call__(self, images: Tensor) -> Answer:
        batch = next(self._batches)
        assert torch.equal(batch.images, images)
        scores = torch.linspace(0.1, 0.9, len(images))[:, None].expand(-1, 26)
        logits = torch.zeros(len(images), 26, 4)
        return Answer(batch.keypoints_input + self._off, scores, (logits, logits) if self._raw else None)


@pytest.fixture(scope="module")
def people(rendered: Path) -> PoseDataset:
    return PoseDataset("rendered", VAL, rendered, HALPE26, SIZE, None, training=False, index=0)


def test_the_truth_has_an_ap_of_one_and_what_is_far_off_none(people: PoseDataset) -> None:
    assert evaluate(Truth(people, 0.0), people, in_order(people)).figures["AP"] == pytest.approx(1.0)
    assert evaluate(Truth(people, 40.0), people, in_order(people)).figures["AP"] == 0.0


def test_raw_scores_are_calibrated_and_a_files_own_are_not(people: PoseDataset) -> None:
    calibration = ScoreCalibration(temperature=0.1, offset=0.5)
    raw, own = (
        evaluate(Truth(people, 0.0, raw), people, in_order(people), calibration=calibration).predictions
        for raw in (True, False)
    )
    expected = calibration(torch.from_numpy(own.keypoint_scores)).numpy()
    assert raw.keypoint_scores == pytest.approx(expected, abs=1e-6)


def test_the_flip_test_is_the_networks_own() -> None:
    torch.manual_seed(0)
    backbone = CSPNeXt(0.1, 0.125, out_stages=(3,))
    head = RTMCCHead(backbone.out_channels[-1], 17, SIZE, stride=16, hidden_dims=32)
    network = PoseEstimator(backbone, head).eval()
    images = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    answer = FlipTest(NetworkRunner(network, CODEC), CODEC, COCO17.flip_indices)(images)
    with torch.inference_mode():
        expected = network.forward_flip_test(images, COCO17.flip_indices)
    assert answer.simcc is not None
    for logits, of_network in zip(answer.simcc, expected, strict=True):
        torch.testing.assert_close(logits, of_network, rtol=0, atol=0)
    torch.testing.assert_close(answer.keypoints_input, CODEC.decode(*expected)[0], rtol=0, atol=0)


def test_without_logits_there_is_no_flip_test() -> None:
    def runner(images: Tensor) -> Answer:
        return Answer(torch.zeros(len(images), 17, 2), torch.zeros(len(images), 17), None)

    with pytest.raises(ElifPoseError, match="without, or export it with the outputs simcc"):
        FlipTest(runner, CODEC, COCO17.flip_indices)(torch.zeros(1, 3, 96, 64, dtype=torch.uint8))


def test_sets_are_named_and_must_have_the_networks_keypoints(rendered: Path, people: PoseDataset) -> None:
    data = PoseDataModule({"rendered": VAL}, {"rendered": VAL}, root=str(rendered), input_size=SIZE, num_workers=0)
    assert average_precision(Truth(people, 0.0), data, HALPE26) == {"rendered": pytest.approx(1.0)}
    with pytest.raises(ElifPoseError, match="keypoints of 'halpe26', the network those of 'coco17'"):
        average_precision(Truth(people, 0.0), data, COCO17)
