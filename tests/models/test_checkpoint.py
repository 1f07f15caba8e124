from pathlib import Path
from typing import Any

import pytest
import torch

from elifpose.models import PoseEstimator, RTMCCHead, load_checkpoint, load_network, save_network
from elifpose.models.checkpoint import Mismatch, network_record
from elifpose.models.checkpoint_files import read_checkpoint
from elifpose.utils.errors import ElifPoseError

IMAGES = torch.arange(3 * 96 * 64, dtype=torch.float32).view(1, 3, 96, 64) % 256


def _fresh(network: PoseEstimator, num_keypoints: int = 5) -> PoseEstimator:
    """The same architecture with other weights, and another number of keypoints if asked."""
    arguments: Any = network.arguments()
    return PoseEstimator.from_arguments(arguments | {"head": arguments["head"] | {"num_keypoints": num_keypoints}})


def _same(a: PoseEstimator, b: PoseEstimator, prefix: str = "") -> bool:
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items() if name.startswith(prefix))


def test_all_weights_are_taken(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save({"state_dict": small_network.state_dict()}, tmp_path / "a.pth")
    network = _fresh(small_network)
    assert not _same(network, small_network)
    report = load_checkpoint(network, tmp_path / "a.pth")
    assert _same(network, small_network)
    assert report == (tuple(small_network.state_dict()), (), (), ())


def test_differences_are_listed_and_nothing_is_changed(small_network: PoseEstimator, tmp_path: Path) -> None:
    weights = small_network.state_dict()
    del weights["head.mlp.0.g"]
    weights["head.extra"] = torch.ones(1)
    weights["head.cls_x.weight"] = torch.ones(7, 32)
    torch.save(weights, tmp_path / "a.pth")
    network = _fresh(small_network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ElifPoseError) as caught:
        load_checkpoint(network, tmp_path / "a.pth")
    message = str(caught.value)
    assert f"{len(before) - 2} weights fit" in message
    assert "1 missing (head.mlp.0.g)" in message
    assert "1 unexpected (head.extra)" in message
    assert "1 of another shape (head.cls_x.weight (7, 32) for (128, 32))" in message
    assert str(tmp_path / "a.pth") in message
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_long_lists_are_shortened(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save({"head.mlp.0.g": torch.ones(1)}, tmp_path / "a.pth")
    missing = len(small_network.state_dict()) - 1
    with pytest.raises(ElifPoseError, match=f"{missing} missing .* and {missing - 4} more") as caught:
        load_checkpoint(small_network, tmp_path / "a.pth")
    assert len(str(caught.value)) < 600


def test_backbone_alone(small_network: PoseEstimator, tmp_path: Path) -> None:
    others = {"neck.of.another.kind": torch.ones(1), "head.conv.weight": torch.ones(1)}
    torch.save(
        {f"backbone.{k}": v for k, v in small_network.backbone.state_dict().items()} | others, tmp_path / "a.pth"
    )
    network = _fresh(small_network)
    report = load_checkpoint(network, tmp_path / "a.pth", scope="backbone")
    assert _same(network, small_network, "backbone.")
    assert not _same(network, small_network, "head.")
    assert all(name.startswith("backbone.") for name in report.loaded)
    assert report[1:] == ((), (), ())


def test_backbone_is_strict(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save({"backbone.stem.0.conv.weight": torch.ones(4, 3, 3, 3)}, tmp_path / "a.pth")
    with pytest.raises(ElifPoseError, match=r"does not fit the network.* missing"):
        load_checkpoint(small_network, tmp_path / "a.pth", scope="backbone")


def test_matching_drops_a_head_of_other_keypoints(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save(small_network.state_dict() | {"head.extra": torch.ones(1)}, tmp_path / "a.pth")
    network = _fresh(small_network, num_keypoints=7)
    with pytest.raises(ElifPoseError, match="2 of another shape"):
        load_checkpoint(network, tmp_path / "a.pth")
    report = load_checkpoint(network, tmp_path / "a.pth", scope="matching")
    assert report.mismatched == (
        Mismatch("head.final_layer.weight", (5, 32, 7, 7), (7, 32, 7, 7)),
        Mismatch("head.final_layer.bias", (5,), (7,)),
    )
    assert report.unexpected == ("head.extra",)
    assert _same(small_network, network, "backbone.")
    assert _same(small_network, network, "head.gau.")


def test_matching_nothing_is_an_error(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save({"head.mlp.0.g": torch.ones(9)}, tmp_path / "a.pth")
    with pytest.raises(ElifPoseError, match="none of its weights fits"):
        load_checkpoint(small_network, tmp_path / "a.pth", scope="matching")


@pytest.mark.parametrize("name", ["network.pt", "new/folder/network.safetensors"])
def test_network_file_rebuilds_the_network(name: str, small_network: PoseEstimator, tmp_path: Path) -> None:
    path = tmp_path / name
    in_memory_order = small_network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_network(in_memory_order, path)
    network = load_network(path)
    assert not network.training
    assert network.arguments() == small_network.arguments()
    assert _same(network, small_network)
    torch.testing.assert_close(network(IMAGES), small_network(IMAGES))
    load_checkpoint(_fresh(small_network), path)


@pytest.mark.parametrize("name", ["network.pt", "network.safetensors"])
def test_network_file_keeps_what_it_is_given_to_say(name: str, small_network: PoseEstimator, tmp_path: Path) -> None:
    said = {"skeleton": "halpe26", "codec": {"input_size": [64, 96]}, "calibration": None}
    save_network(small_network, tmp_path / name, said)
    record = read_checkpoint(tmp_path / name).record
    assert record == network_record(small_network) | said


@pytest.mark.parametrize("name", ["file/network.pt", "file/network.safetensors", "folder.pt", "folder.safetensors"])
def test_network_file_that_cannot_be_written_is_named(
    name: str, small_network: PoseEstimator, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for folder in ("folder.pt", "folder.safetensors"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ElifPoseError, match=f"{name}: cannot be written"):
        save_network(small_network, tmp_path / name)


@pytest.mark.parametrize("name", ["network.pt", "network.safetensors"])
def test_what_cannot_be_stored_leaves_the_old_file(name: str, small_network: PoseEstimator, tmp_path: Path) -> None:
    save_network(small_network, tmp_path / name)
    with pytest.raises((TypeError, AttributeError)):
        save_network(small_network, tmp_path / name, {"skeleton": lambda: None})
    assert _same(load_network(tmp_path / name), small_network)


def test_training_checkpoint_rebuilds_the_averaged_network(small_network: PoseEstimator, tmp_path: Path) -> None:
    averaged = {f"network.{name}": value for name, value in small_network.state_dict().items()}
    content = {
        "epoch": 3,
        "state_dict": averaged | {"auxiliary.conv.weight": torch.ones(1)},
        "current_model_state": {name: value + 1 for name, value in averaged.items()},
        "elifpose": network_record(small_network) | {"skeleton": "halpe26"},
    }
    torch.save(content, tmp_path / "last.ckpt")
    network = load_network(tmp_path / "last.ckpt")
    assert _same(network, small_network)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "does not say how its network is built"),
        ({"version": 2, "network": {}}, "version 2, and this ElifPose reads 1"),
        ({"version": 1}, "damaged"),
        ({"version": 1, "network": {"neck": None, "backbone": {"width": 1}}}, "damaged"),
        ({"version": 1, "network": {"neck": {"class": "os.system", "arguments": {}}}}, "not rebuilt by name"),
    ],
)
def test_records_that_do_not_rebuild_are_named(
    record: Any, message: str, small_network: PoseEstimator, tmp_path: Path
) -> None:
    torch.save({"state_dict": small_network.state_dict(), "elifpose": record}, tmp_path / "a.ckpt")
    with pytest.raises(ElifPoseError, match=message):
        load_network(tmp_path / "a.ckpt")


def test_other_endings_are_refused(small_network: PoseEstimator, tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match=r"must end in \.safetensors or \.pt"):
        save_network(small_network, tmp_path / "network.onnx")


def test_weights_keep_the_network_s_dtype(small_network: PoseEstimator, tmp_path: Path) -> None:
    torch.save({name: value.half() for name, value in small_network.state_dict().items()}, tmp_path / "a.pth")
    network = _fresh(small_network)
    load_checkpoint(network, tmp_path / "a.pth")
    assert isinstance(network.head, RTMCCHead)
    assert network.head.cls_x.weight.dtype == torch.float32
