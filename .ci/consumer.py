"""A program that uses ElifPose: `check_installs` runs it, and mypy finds all types in the package as installed."""

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from torch import Tensor

from elifpose.biomechanics import JointAngles, joint_angles
from elifpose.codecs import SimCC
from elifpose.evaluation import KeypointAP
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, load_network, save_network
from elifpose.quantization import PrepareReport, prepare
from elifpose.structures import Skeleton, get_skeleton
from elifpose.training import ElifPoseModule

skeleton = get_skeleton("halpe26")
assert_type(skeleton, Skeleton)
keypoints = len(skeleton.keypoints)

backbone = CSPNeXt(deepen_factor=0.167, widen_factor=0.125)
network = PoseEstimator(backbone, RTMCCHead(backbone.out_channels[-1], keypoints, (96, 128), hidden_dims=32))
save_network(network, Path("network.safetensors"))
restored = load_network("network.safetensors")
assert_type(restored, PoseEstimator)
simcc_x, simcc_y = restored.forward(torch.zeros(2, 3, 128, 96, dtype=torch.uint8))
decoded, scores = SimCC(input_size=(96, 128)).decode(simcc_x, simcc_y)
assert_type(decoded, Tensor)
assert decoded.shape == (2, keypoints, 2)
assert scores.shape == (2, keypoints)
assert_type(prepare(restored), PrepareReport)

angles = joint_angles(np.random.default_rng(0).random((10, keypoints, 3)), "left", facing=1)
assert_type(angles, JointAngles)
assert angles.knee.shape == (10,)
assert issubclass(KeypointAP, torch.nn.Module)
assert issubclass(ElifPoseModule, torch.nn.Module)
