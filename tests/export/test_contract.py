import json
from pathlib import Path

import pytest
import torch

import elifpose
from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.contract import Contract, about, metadata, read_about, read_contract, rtmlib_contract
from elifpose.export.source import Source
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

CONTRACT = Contract((192, 256), 2.0, "keypoints", normalised=False, channels="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)


def _source(calibration: ScoreCalibration | None) -> Source:
    backbone = CSPNeXt(0.1, 0.125)
    head = RTMCCHead(backbone.out_channels[-1], 17, (64, 96), hidden_dims=32)
    return Source(
        path=Path("folder/best.ckpt"),
        network=PoseEstimator(backbone, head, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)).eval(),
        skeleton=COCO17,
        codec=SimCC((64, 96), refine=True),
        calibration=calibration,
        digest="ab" * 32,
        facts={"epoch": 3},
    )


@pytest.mark.parametrize("contract", [CONTRACT, rtmlib_contract((288, 384), 2.0)])
def test_a_contract_survives_its_storage(contract: Contract) -> None:
    stored = metadata(contract, {"facts": {"name": "Zoë"}})
    assert all(isinstance(value, str) for value in stored.values())
    assert read_contract(stored, "pose.onnx") == contract
    assert read_about(stored) == {"facts": {"name": "Zoë"}}


def test_a_foreign_file_is_named() -> None:
    with pytest.raises(ElifPoseError, match=r"foreign\.onnx: .* not exported by ElifPose"):
        read_contract({"names": "{0: 'person'}"}, "foreign.onnx")


@pytest.mark.parametrize("stored", ["", "{", "[]", "{}", '{"input_size": 3}', '{"what": 1}'])
def test_a_damaged_contract_is_named(stored: str) -> None:
    with pytest.raises(ElifPoseError, match=r"pose\.onnx: .* damaged"):
        read_contract({"contract": stored}, "pose.onnx")


@pytest.mark.parametrize("calibration", [None, ScoreCalibration(0.5, 0.25)])
def test_what_a_file_says_of_its_network_is_json_that_rebuilds_the_parts(
    calibration: ScoreCalibration | None,
) -> None:
    source = _source(calibration)
    said = json.loads(json.dumps(about(source, "int8")))
    assert Skeleton.from_arguments(said["skeleton"]) == source.skeleton
    assert SimCC(**said["codec"]) == source.codec
    assert (None if said["calibration"] is None else ScoreCalibration(**said["calibration"])) == calibration
    assert (said["mean"], said["std"]) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert said["precision"] == "int8"
    assert said["checkpoint"] == {"name": "best.ckpt", "sha256": "ab" * 32}
    assert said["facts"] == {"epoch": 3}
    assert said["versions"] == {"elifpose": elifpose.__version__, "torch": torch.__version__}
