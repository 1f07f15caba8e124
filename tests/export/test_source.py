import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elifpose.codecs.calibration import ScoreCalibration
from elifpose.codecs.simcc import SimCC
from elifpose.export.source import Source, load_source, write_safetensors
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, load_network, save_network
from elifpose.quantization import QuantizationSpec, calibrate, is_prepared, prepare
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17, HALPE26
from elifpose.training import ElifPoseModule
from elifpose.utils.errors import ElifPoseError

IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CODEC = SimCC((64, 64), sigma=(3.0, 4.0), refine=True)
CALIBRATION = ScoreCalibration(temperature=0.1, offset=0.2)
OWN = Skeleton("own", ("a", "left_b", "right_b"), (("left_b", "right_b"),), (0.1,) * 3, "", (1.0,) * 3, (), ())
CALLBACKS = {
    "LastCheckpoint{'monitor': None}": {"monitor": None, "best_model_score": None, "current_score": None},
    "ModelCheckpoint{'monitor': 'val/AP'}": {
        "monitor": "val/AP",
        "best_model_score": torch.tensor(0.5, dtype=torch.float64),
        "current_score": torch.tensor(0.25, dtype=torch.float64),
    },
    "QATCallback": {"float_ap": 0.5},
}


def _network(num_keypoints: int, spec: QuantizationSpec | None = None) -> PoseEstimator:
    torch.manual_seed(0)
    head = RTMCCHead(64, num_keypoints, (64, 64), stride=16, hidden_dims=32)
    network = PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), head)
    if spec is not None:
        prepare(network, spec)
        calibrate(network, [IMAGES])
    return network.eval()


def _fitted(path: Path, skeleton: Skeleton = HALPE26, spec: QuantizationSpec | None = None, **more: Any) -> Path:
    """A checkpoint of which Lightning's part is written by hand, and ElifPose's by the module of a fit."""
    module = ElifPoseModule(_network(skeleton.num_keypoints, spec), CODEC, skeleton)
    module.calibration = CALIBRATION
    checkpoint = {"state_dict": module.state_dict(), "epoch": 3, "global_step": 70, "callbacks": CALLBACKS}
    module.on_save_checkpoint(checkpoint)
    torch.save(checkpoint | more, path)
    return path


def _logits(network: PoseEstimator) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        x, y = network(IMAGES)
    return x, y


@pytest.mark.parametrize("spec", [None, QuantizationSpec(observer="learned", float_layers=("backbone.stem.0",))])
@pytest.mark.parametrize("skeleton", [HALPE26, OWN])
def test_a_fits_checkpoint_says_it_all(skeleton: Skeleton, spec: QuantizationSpec | None, tmp_path: Path) -> None:
    path = _fitted(tmp_path / "a.ckpt", skeleton, spec)
    source = load_source(path)
    assert source.path == path
    assert (source.skeleton, source.codec, source.calibration) == (skeleton, CODEC, CALIBRATION)
    assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    figure = {"monitor": "val/AP", "score": 0.25, "best_score": 0.5}
    assert source.facts == {"epoch": 3, "global_step": 70, "weights": "trained"} | figure
    assert is_prepared(source.network) == (spec is not None)
    assert not source.network.training
    for mine, theirs in zip(_logits(source.network), _logits(_network(skeleton.num_keypoints, spec)), strict=True):
        assert torch.equal(mine, theirs)


def test_averaged_weights_are_called_so(tmp_path: Path) -> None:
    average = _network(26)
    torch.nn.init.ones_(average.head.cls_x.weight)
    module = ElifPoseModule(_network(26), CODEC)
    module.averaged_state = lambda: {f"network.{name}": value for name, value in average.state_dict().items()}
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "epoch": 0, "global_step": 1, "callbacks": {}}
    module.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "a.ckpt")
    source = load_source(tmp_path / "a.ckpt")
    assert source.facts == {"epoch": 0, "global_step": 1, "weights": "averaged"}
    assert source.calibration is None
    assert torch.equal(_logits(source.network)[0], _logits(average)[0])


@pytest.mark.parametrize("spec", [None, QuantizationSpec()])
@pytest.mark.parametrize("skeleton", [HALPE26, OWN])
def test_a_network_file_loses_nothing(skeleton: Skeleton, spec: QuantizationSpec | None, tmp_path: Path) -> None:
    source = load_source(_fitted(tmp_path / "a.ckpt", skeleton, spec))
    write_safetensors(source, tmp_path / "new/a.safetensors")
    again = load_source(tmp_path / "new/a.safetensors")
    assert again[2:5] == source[2:5]
    assert again.facts == source.facts | {"origin": "a.ckpt", "origin_sha256": source.digest}
    for mine, theirs in zip(_logits(again.network), _logits(source.network), strict=True):
        assert torch.equal(mine, theirs)
    if spec is None:
        load_network(tmp_path / "new/a.safetensors")


@pytest.mark.parametrize(("num_keypoints", "skeleton"), [(17, COCO17), (26, HALPE26)])
@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
def test_files_that_say_less_are_read_as_published(
    name: str, num_keypoints: int, skeleton: Skeleton, tmp_path: Path
) -> None:
    network = _network(num_keypoints)
    if name == "a.pth":
        torch.save({"meta": {"epoch": 7}, "state_dict": network.state_dict()}, tmp_path / name)
    else:
        save_network(network, tmp_path / name)
    source = load_source(tmp_path / name)
    assert (source.skeleton, source.codec, source.calibration) == (skeleton, SimCC((64, 64)), None)
    assert source.facts == {}
    assert torch.equal(_logits(source.network)[0], _logits(network)[0])


def test_the_skeleton_can_be_named(tmp_path: Path) -> None:
    assert load_source(_fitted(tmp_path / "a.ckpt", COCO17), "coco17").skeleton == COCO17
    torch.save(_network(23).state_dict(), tmp_path / "a.pth")
    assert load_source(tmp_path / "a.pth", "coco_wholebody").skeleton.num_keypoints == 23


def _bare(path: Path) -> None:
    torch.save(_network(5).state_dict(), path)


@pytest.mark.parametrize(
    ("write", "skeleton", "message"),
    [
        (_fitted, "coco17", "has 26 keypoints, and the skeleton 'coco17' has 17; .* --skeleton"),
        (_fitted, "nobody", "there is no skeleton 'nobody'"),
        (_bare, None, "what its 5 keypoints are; .* --skeleton"),
        (lambda path: path.touch(), None, "cannot be read as weights"),
        (lambda path: path.write_bytes(_fitted(path).read_bytes()[:-4000]), None, "cannot be read as weights"),
        (lambda _: None, None, "there is no such file"),
    ],
)
def test_what_cannot_be_exported_is_said(
    write: Callable[[Path], object], skeleton: str | None, message: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.ckpt")
    with pytest.raises(ElifPoseError, match=message) as caught:
        load_source(tmp_path / "a.ckpt", skeleton)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [{"codec": {"width": 1}}, {"calibration": {"offset": 1.0}}, {"skeleton": {}}])
def test_a_damaged_record_is_said(damage: dict[str, Any], tmp_path: Path) -> None:
    save_network(_network(26), tmp_path / "a.safetensors", damage)
    with pytest.raises(ElifPoseError, match=r"a\.safetensors: its record is damaged"):
        load_source(tmp_path / "a.safetensors")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    source = Source(tmp_path / "a.ckpt", _network(26), HALPE26, CODEC, None, "", {})
    with pytest.raises(ElifPoseError, match=r"must end in \.safetensors"):
        write_safetensors(source, tmp_path / "a.onnx")
