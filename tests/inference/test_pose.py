from pathlib import Path

import numpy as np
import pytest
import torch
from spots import INPUT_SIZE, spotted, write_brightest

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.datasets.transforms import GeometricTransform, warp
from elifpose.inference.pose import PoseRunner
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, save_network
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26, skeleton_record
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import apply_affine, invert_affine

BOX = np.array([[20.0, 30.0, 60.0, 80.0]])


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
    head = RTMCCHead(64, skeleton.num_keypoints, INPUT_SIZE, stride=16, hidden_dims=32)
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), head).eval()
    record = {
        "codec": SimCC(INPUT_SIZE).arguments(),
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
    plan = GeometricTransform().draw(*nothing, BOX[0], HALPE26, INPUT_SIZE, rng=None)
    crop = torch.from_numpy(warp(image, plan.matrix, INPUT_SIZE)).permute(2, 0, 1)[None]
    with torch.no_grad():
        points, scores = SimCC(INPUT_SIZE).decode(*network(crop))
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
