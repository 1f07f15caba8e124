"""What a checkpoint holds: which weights, what to go on from, and what differs from the configuration."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from elifpose.models.checkpoint_files import RECORD_KEY
from elifpose.utils.errors import ElifPoseError

Weights = Literal["averaged", "trained"]
"""The exponential moving average, or the weights that the optimizer moves."""
TRAINED_STATE = "current_model_state"
"""Where Lightning keeps the trained weights beside an average, which is the ``state_dict``."""
AVERAGED = "averaged"
"""Entry of ElifPose's record: whether ``state_dict`` is an average."""
_SHOWN = 3


def has_training_state(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a checkpoint holds more than weights."""
    return {"optimizer_states", "lr_schedulers"} <= checkpoint.keys()


def require_training_state(checkpoint: Mapping[str, Any], path: object) -> None:
    """Check that a fit can go on from a checkpoint.

    Raises:
        ElifPoseError: If it holds weights only.
    """
    if not has_training_state(checkpoint):
        raise ElifPoseError(
            f"--ckpt_path {path}: holds weights only, from which no fit can go on; start one with"
            f" --model.init_from={path}"
        )


def take_weights(checkpoint: dict[str, Any], which: Weights, path: object) -> Weights:
    """Put the weights that were asked for into ``checkpoint["state_dict"]``.

    Args:
        checkpoint: Lightning's; changed in place.
        which: ``averaged`` stands for the trained weights where a checkpoint has no average.
        path: Of the checkpoint, for the error.

    Returns:
        Which weights they are.

    Raises:
        ElifPoseError: If the trained weights are asked for where only their average was saved.
    """
    if TRAINED_STATE not in checkpoint and not checkpoint.get(RECORD_KEY, {}).get(AVERAGED, False):
        return "trained"
    if which == "trained":
        if TRAINED_STATE not in checkpoint:
            raise ElifPoseError(
                f"checkpoint {path}: was saved with weights only and has the averaged ones alone; ask for these, or"
                " give a checkpoint that was saved with --checkpoint.save_weights_only=false"
            )
        checkpoint["state_dict"] = checkpoint[TRAINED_STATE]
    return which


def replace_entries(
    state_dict: Mapping[str, Tensor], prefixes: tuple[str, ...], others: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """A state dict with other entries in place of those whose names begin so.

    >>> list(replace_entries({"network.a": 1, "auxiliary.0": 2}, ("auxiliary.",), {"auxiliary.1": 3}))
    ['network.a', 'auxiliary.1']
    """
    return {**{name: value for name, value in state_dict.items() if not name.startswith(prefixes)}, **others}


def differences(record: Mapping[str, Any], configured: Mapping[str, Any]) -> list[str]:
    """Where a checkpoint's record differs from the configured one, a sentence for each value.

    What is an entry of the checkpoint's record alone, such as its calibration, is no difference.

    >>> differences({"codec": {"sigma": [4.9, 5.66]}}, {"codec": {"sigma": [6.0, 7.0]}})
    ['codec.sigma: [6.0, 7.0] (the checkpoint had [4.9, 5.66])']
    """
    found, saved = _flat(configured), _flat({key: record[key] for key in configured if key in record})
    return [
        f"{name}: {found.get(name, 'nothing')} (the checkpoint had {saved.get(name, 'nothing')})"
        for name in dict.fromkeys([*found, *saved])
        if found.get(name) != saved.get(name)
    ]


def require_same_weights(
    checkpoint: Mapping[str, Any], configured: Mapping[str, Any], own: Mapping[str, Tensor], path: object
) -> None:
    """Check that a checkpoint's weights have the names and shapes of a module's.

    Args:
        checkpoint: Lightning's, with ElifPose's record.
        configured: The module's record.
        own: The module's ``state_dict``.
        path: Of the checkpoint, for the error.

    Raises:
        ElifPoseError: If they do not; it says how the networks differ.
    """
    saved: Mapping[str, Tensor] = checkpoint["state_dict"]
    others = [
        name
        for name in dict.fromkeys([*own, *saved])
        if name not in own or name not in saved or own[name].shape != saved[name].shape
    ]
    if not others:
        return
    reasons = differences(checkpoint.get(RECORD_KEY, {}), {"network": configured["network"]})
    more = ", …" if len(others) > _SHOWN else ""
    raise ElifPoseError(
        f"--ckpt_path {path}: its weights are of another network than the configured one ("
        + ("; ".join(reasons) or f"{len(others)} differ: {', '.join(others[:_SHOWN])}{more}")
        + "); give the configuration that it was trained with"
    )


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted path; tuples as the lists that YAML and JSON make of them."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = _as_lists(value)
    return flat


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value
