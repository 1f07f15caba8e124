"""What the operations of a Core ML program compute, in PyTorch: those that networks of ElifPose are made of.

Source: the operations' documentation in coremltools. A result of 16 bits is computed in float32 from inputs of 16
bits and rounded once, but for the one operation whose inner sum overflows before its result does.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from elifpose.utils.errors import ElifPoseError

Arguments = Mapping[str, Any]
"""An operation's inputs by name: tensors, float32 in place of float16, or numbers, strings and lists of them."""


def _ints(value: Any) -> list[int]:
    return [int(number) for number in torch.as_tensor(value).flatten()]


def _batch_norm(given: Arguments) -> Tensor:
    return F.batch_norm(
        given["x"],
        given["mean"],
        given["variance"],
        given.get("gamma"),
        given.get("beta"),
        eps=float(given["epsilon"]),
    )


def _padded(given: Arguments, value: float) -> Tensor:
    """A map with the padding of a convolution or pooling around it."""
    if given["pad_type"] == "valid":
        return given["x"]  # type: ignore[no-any-return]
    if given["pad_type"] != "custom":
        raise ElifPoseError(
            f"the package pads a map by {given['pad_type']!r}, which is not interpreted here; export it again,"
            " or with --no_check"
        )
    top, bottom, left, right = _ints(given["pad"])
    return F.pad(given["x"], (left, right, top, bottom), value=value)


def _conv(given: Arguments) -> Tensor:
    return F.conv2d(
        _padded(given, 0.0),
        given["weight"],
        given.get("bias"),
        stride=_ints(given["strides"]),
        dilation=_ints(given["dilations"]),
        groups=int(given["groups"]),
    )


def _max_pool(given: Arguments) -> Tensor:
    return F.max_pool2d(_padded(given, -torch.inf), _ints(given["kernel_sizes"]), _ints(given["strides"]))


def _avg_pool(given: Arguments) -> Tensor:
    return F.avg_pool2d(_padded(given, 0.0), _ints(given["kernel_sizes"]), _ints(given["strides"]))


def _l2_norm(given: Arguments) -> Tensor:
    """Root of the sum of squares; in float16 if that was the input's type, where 256² is infinite."""
    rounded = torch.float16 if given["half"] else torch.float32
    squares = given["x"].square().to(rounded).float()
    total: Tensor = squares.sum(_ints(given["axes"]), keepdim=bool(given["keep_dims"])).to(rounded).float()
    return total.sqrt()


def _matmul(given: Arguments) -> Tensor:
    x = given["x"].mT if given.get("transpose_x") else given["x"]
    y = given["y"].mT if given.get("transpose_y") else given["y"]
    return torch.matmul(x, y)


def _per_channel(values: Any, given: Arguments) -> Tensor:
    """A scale or zero point, shaped to be multiplied along the operation's axis."""
    per_channel = torch.as_tensor(values, dtype=torch.float32)
    if per_channel.ndim == 0:
        return per_channel
    shape = [1] * given["input"].ndim
    shape[int(given["axis"])] = -1
    return per_channel.view(shape)


def _quantize(given: Arguments) -> Tensor:
    code: Tensor = torch.round(given["input"] / _per_channel(given["scale"], given))
    code = code + _per_channel(given.get("zero_point", 0), given)
    low, high = (0, 255) if given["output_dtype"] == "uint8" else (-128, 127)
    return code.clamp(low, high)


def _dequantize(given: Arguments) -> Tensor:
    difference: Tensor = given["input"].float() - _per_channel(given.get("zero_point", 0), given)
    return difference * _per_channel(given["scale"], given)


def _upsample(given: Arguments) -> Tensor:
    factors = [float(given["scale_factor_height"]), float(given["scale_factor_width"])]
    return F.interpolate(given["x"], scale_factor=factors, mode="nearest")


def _gather(given: Arguments) -> Tensor:
    index = torch.as_tensor(given["indices"]).long()
    return torch.gather(given["x"], int(given["axis"]), index)


OPERATIONS: dict[str, Callable[[Arguments], Tensor | tuple[Tensor, ...]]] = {
    "add": lambda given: given["x"] + given["y"],
    "sub": lambda given: given["x"] - given["y"],
    "mul": lambda given: given["x"] * given["y"],
    "real_div": lambda given: given["x"] / given["y"],
    "maximum": lambda given: torch.maximum(torch.as_tensor(given["x"]), torch.as_tensor(given["y"])),
    "minimum": lambda given: torch.minimum(torch.as_tensor(given["x"]), torch.as_tensor(given["y"])),
    "less": lambda given: given["x"] < given["y"],
    "equal": lambda given: given["x"] == given["y"],
    "logical_and": lambda given: given["x"] & given["y"],
    "select": lambda given: torch.where(given["cond"], given["a"], given["b"]),
    "cast": lambda given: given["x"],  # the result's type is the program's
    "fill_like": lambda given: torch.full_like(given["ref_tensor"], float(given["value"])),
    "clip": lambda given: given["x"].clamp(float(given["alpha"]), float(given["beta"])),
    "square": lambda given: given["x"].square(),
    "relu": lambda given: given["x"].relu(),
    "silu": lambda given: F.silu(given["x"]),
    "sigmoid": lambda given: given["x"].sigmoid(),
    "sigmoid_hard": lambda given: (given["x"] * float(given["alpha"]) + float(given["beta"])).clamp(0, 1),
    "batch_norm": _batch_norm,
    "conv": _conv,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "upsample_nearest_neighbor": _upsample,
    "linear": lambda given: F.linear(given["x"], given["weight"], given.get("bias")),
    "matmul": _matmul,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "concat": lambda given: torch.cat(given["values"], int(given["axis"])),
    "stack": lambda given: torch.stack(given["values"], int(given["axis"])),
    "split": lambda given: given["x"].split(_ints(given["split_sizes"]), int(given["axis"])),
    "reshape": lambda given: given["x"].reshape(_ints(given["shape"])),
    "transpose": lambda given: given["x"].permute(_ints(given["perm"])),
    "expand_dims": lambda given: given["x"][(..., *[None] * len(_ints(given["axes"])))],
    "squeeze": lambda given: given["x"].squeeze(_ints(given["axes"])),
    "gather_along_axis": _gather,
    "reduce_l2_norm": _l2_norm,
    "reduce_mean": lambda given: given["x"].mean(_ints(given["axes"]), keepdim=bool(given["keep_dims"])),
    "reduce_max": lambda given: given["x"].amax(_ints(given["axes"]), keepdim=bool(given["keep_dims"])),
    "reduce_argmax": lambda given: given["x"].argmax(int(given["axis"]), keepdim=bool(given["keep_dims"])),
}
