import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elifpose.models.checkpoint_files import read_checkpoint, read_state_dict
from elifpose.utils.errors import ElifPoseError

WEIGHTS = {"backbone.stem.0.conv.weight": torch.ones(2, 3), "head.cls_x.weight": torch.zeros(4)}
OTHER = {name: value + 7 for name, value in WEIGHTS.items()}


def _prefixed(prefix: str, weights: dict[str, Tensor] = WEIGHTS) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


class History:
    """An object of another framework's training loop, as its checkpoints hold them."""

    def __init__(self) -> None:
        self.values = [1.0]


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        OrderedDict(WEIGHTS),
        {"state_dict": WEIGHTS, "meta": {"epoch": 3}},
        {"state_dict": OrderedDict(WEIGHTS)},
        {"ema_state_dict": _prefixed("module.") | {"steps": torch.tensor(5)}},
        {"state_dict": WEIGHTS, "ema_state_dict": _prefixed("module.", OTHER)},  # averaged weights are swapped in
        {"state_dict": _prefixed("module.")},
        {"state_dict": _prefixed("module.module.")},
        _prefixed("_orig_mod."),
        {"state_dict": _prefixed("network.") | {"loss.table": torch.ones(1), "auxiliary.conv.bias": torch.ones(1)}},
        {"state_dict": _prefixed("network."), "current_model_state": _prefixed("network.", OTHER)},
        {"state_dict": _prefixed("network._orig_mod.")},
        WEIGHTS | {"data_preprocessor.mean": torch.ones(3), "head.loss_module.weight": torch.ones(1)},
        {"state_dict": WEIGHTS, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
        {"state_dict": WEIGHTS, "message_hub": {"log_scalars": {"lr": History()}}, "meta": {"seed": Path("a")}},
        {"state_dict": {name: nn.Parameter(value) for name, value in WEIGHTS.items()}},
    ],
)
def test_wrappings_are_taken_off(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    read = read_state_dict(tmp_path / "a.pth")
    assert set(read) == set(WEIGHTS)
    assert all(torch.equal(read[name], WEIGHTS[name]) for name in WEIGHTS)


def test_what_a_fit_says_of_itself_is_kept(tmp_path: Path) -> None:
    fit = {"epoch": 3, "global_step": 70, "callbacks": {"a": {"monitor": "val/AP"}}}
    torch.save({"state_dict": WEIGHTS, "loops": {}, **fit}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt").fit == fit
    torch.save(WEIGHTS, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").fit == {}


def test_files_of_before_pytorch_1_6_are_read(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert set(read_state_dict(tmp_path / "a.pth")) == set(WEIGHTS)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    checkpoint = read_checkpoint(tmp_path / "a.safetensors")
    assert set(checkpoint.state_dict) == set(WEIGHTS)
    assert checkpoint.record is None


class _Evil:
    """Runs a function of its choice when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ["open", "exec", "system", "unlink", "getattr"])
def test_nothing_in_a_file_is_run(kind: str, zipped: bool, tmp_path: Path) -> None:
    import os

    trace, victim = tmp_path / "trace", tmp_path / "victim"
    victim.touch()
    evil = {
        "open": _Evil(open, str(trace), "w"),
        "exec": _Evil(exec, f"open({str(trace)!r}, 'w')"),
        "system": _Evil(os.system, f"touch {trace}"),
        "unlink": _Evil(Path.unlink, victim),
        "getattr": _Evil(getattr, _Evil(Path, str(victim)), "unlink"),
    }[kind]
    torch.save({"state_dict": WEIGHTS, "meta": evil}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    try:
        assert set(read_state_dict(tmp_path / "a.pth")) == set(WEIGHTS)  # the object became an inert one
    except ElifPoseError as error:
        assert "not safe" in str(error)  # noqa: PT017  # either answer is right
        assert "weights_only" not in str(error)  # noqa: PT017  # no advice to switch safety off
    assert not trace.exists()
    assert victim.exists()


def _write_truncated(path: Path) -> None:
    torch.save(WEIGHTS | {"backbone.big": torch.zeros(4096)}, path)
    path.write_bytes(path.read_bytes()[:-3000])


def _write_truncated_safetensors(path: Path) -> None:
    pytest.importorskip("safetensors.torch").save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.pth", lambda _: None, "there is no such file"),
        ("a.pth", lambda path: path.mkdir(), "there is no such file"),
        ("a.pth", lambda path: path.touch(), "cannot be read as weights"),
        ("a.pth", lambda path: path.write_text("<html>Not found</html>"), "cannot be read as weights"),
        (
            "a.pth",
            lambda path: path.write_bytes(pickle.dumps({"a": 1})),
            "no weights of a pose network|cannot be read",
        ),
        ("a.pth", _write_truncated, "cannot be read as weights"),
        ("a.pth", lambda path: torch.save(torch.ones(3), path), "holds a Tensor; it should be a dict"),
        ("a.pth", lambda path: torch.save({}, path), "no weights of a pose network"),
        ("a.pth", lambda path: torch.save({"fc.weight": torch.ones(3)}, path), "no weights of a pose network"),
        ("a.safetensors", _write_truncated_safetensors, "cannot be read as weights"),
        ("a.safetensors", lambda path: path.write_text("hello"), "cannot be read as weights"),
        ("a.safetensors", lambda path: path.touch(), "cannot be read as weights"),
    ],
)
def test_files_that_hold_no_weights_are_named(
    name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(ElifPoseError, match=message) as caught:
        read_state_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
