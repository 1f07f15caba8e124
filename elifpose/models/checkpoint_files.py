"""Reading weights from files of several kinds, without running anything that a file contains.

Known are MMPose's and RTMDet's ``.pth`` (plain or wrapped, averaged copies too), Lightning's ``.ckpt`` and
``.safetensors``. Whatever the wrapping, the names that come out start with ``backbone.``, ``neck.`` or ``head.``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elifpose.models.foreign_classes import stand_ins
from elifpose.utils.errors import ElifPoseError

RECORD_KEY = "elifpose"
"""Where a checkpoint keeps what rebuilds the network: a key of its dict, or of a safetensors file's metadata."""

# MMEngine swaps the averaged weights into `state_dict` when it saves, so `ema_state_dict` is the second choice.
_WRAPPERS = ("state_dict", "ema_state_dict")
_PREFIXES = ("module.", "network.")
_PART_PREFIXES = ("backbone.", "neck.", "head.")
_LOSS_PREFIX = "head.loss_module"
_FIT_KEYS = ("epoch", "global_step", "callbacks")


class CheckpointFile(NamedTuple):
    """What a file holds."""

    state_dict: dict[str, Tensor]
    """The weights, by the names that they have inside :class:`~elifpose.models.PoseEstimator`."""
    record: dict[str, Any] | None
    """What rebuilds the network, in files that ElifPose wrote."""
    fit: dict[str, Any]
    """What a fit's checkpoint says of the fit: ``epoch``, ``global_step`` and the ``callbacks``' state."""


def read_checkpoint(path: str | Path) -> CheckpointFile:
    """Read a checkpoint's weights and, if ElifPose wrote it, its record.

    Args:
        path: A ``.safetensors`` file, or anything that ``torch.save`` wrote (``.pth``, ``.pt``, ``.ckpt``).

    Returns:
        Weights on the CPU, and the record or none.

    Raises:
        ElifPoseError: The file is missing, cannot be read safely, is cut short, or holds no weights of a network.
    """
    path = Path(path)
    if not path.is_file():
        raise ElifPoseError(f"checkpoint {path}: there is no such file; check the path")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    record = content.get(RECORD_KEY)
    state_dict = _own_names(_unwrap(content))
    if not state_dict:
        raise ElifPoseError(
            f"checkpoint {path}: no weights of a pose network inside; names must start with "
            f"{', '.join(_PART_PREFIXES)} or be wrapped in one of {', '.join(_WRAPPERS)}"
        )
    fit = {key: content[key] for key in _FIT_KEYS if key in content}
    return CheckpointFile(state_dict, record if isinstance(record, dict) else None, fit)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint file, by their names in the network; see :func:`read_checkpoint`."""
    return read_checkpoint(path).state_dict


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Tensors of a safetensors file as a state dict, and the record in its metadata."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ElifPoseError(f"checkpoint {path}: reading it needs `pip install safetensors`") from error
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        record = json.loads(metadata[RECORD_KEY]) if RECORD_KEY in metadata else None
    except (SafetensorError, ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    return {"state_dict": tensors, RECORD_KEY: record}


def _read_pickle(path: Path) -> dict[str, Any]:
    """The dict that ``torch.save`` wrote.

    PyTorch's restricted reader makes nothing but tensors and primitives. Training checkpoints of other frameworks
    also hold objects of theirs (a log's history, say); the reader is given an inert class in their place.
    """
    try:
        with torch.serialization.safe_globals([*stand_ins(path)]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle raises anything, IndexError and KeyError included
        raise _unreadable(path, error) from error
    if not isinstance(content, dict):
        raise ElifPoseError(f"checkpoint {path}: holds a {type(content).__name__}; it should be a dict of weights")
    return content


def _unreadable(path: Path, error: Exception) -> ElifPoseError:
    """One sentence for a reader's long complaint, without its advice to switch safety off."""
    original = error.__context__ or error  # PyTorch wraps it in advice
    reason = (str(original).strip() or type(original).__name__).splitlines()[0][:120]
    return ElifPoseError(
        f"checkpoint {path}: cannot be read as weights ({reason}); it may be cut short, no checkpoint at all, or "
        "hold objects that are not safe to load: fetch it again, or save its state_dict alone"
    )


def _unwrap(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state dict inside a checkpoint's dict."""
    for wrapper in _WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            return inner
    return content


def _own_names(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of the network proper, without the prefixes that wrappers put before their names.

    Left out are a data preprocessor's mean and std, a loss's buffers, counters of averaging, and everything of a
    training module that is not its network.
    """
    own = {}
    for name, value in state_dict.items():
        bare = _bare_name(str(name))
        if isinstance(value, Tensor) and bare.startswith(_PART_PREFIXES) and not bare.startswith(_LOSS_PREFIX):
            own[bare] = value
    return own


def _bare_name(name: str) -> str:
    """A name without the marks of data parallelism and averaging, of the training module, and of compilation."""
    name = name.replace("_orig_mod.", "")
    while name.startswith(_PREFIXES):
        name = name.split(".", 1)[1]
    return name
