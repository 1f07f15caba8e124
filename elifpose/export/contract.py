"""What an exported file takes and gives, and what it says of itself."""

from typing import Any, Literal, NamedTuple

Format = Literal["onnx", "coreml", "safetensors"]
Precision = Literal["float32", "float16", "int8"]
Outputs = Literal["simcc", "keypoints"]
"""Raw logits along both axes, as RTMPose's files give them, or decoded keypoints with calibrated scores."""


class Contract(NamedTuple):
    """How an exported file is called; stored in its metadata."""

    input_size: tuple[int, int]
    """Width and height, pixels."""
    split_ratio: float
    """Bins per input pixel."""
    outputs: Outputs
    """``simcc``: ``simcc_x`` and ``simcc_y``, ``(N, K, bins)`` float32. ``keypoints``: ``keypoints`` ``(N, K, 2)``
    float32, input pixels, and ``scores`` ``(N, K)`` float32."""
    normalised: bool
    """Whether the input is float32 minus mean over std, as RTMPose's files take it; else its values are 0 to 255:
    float32 with ``simcc``, uint8 with ``keypoints``."""
    channels: Literal["RGB", "BGR"]
    """Order of the input's channels."""
    mean: tuple[float, float, float]
    """What is subtracted from the input's channels, in their order, where it is normalised outside."""
    std: tuple[float, float, float]
    """What they are then divided by."""


def metadata(contract: Contract, about: dict[str, Any]) -> dict[str, str]:
    """A file's metadata: the contract and what is known of the network, each value as JSON.

    Args:
        contract: How the file is called.
        about: Of JSON values: skeleton (names, links, flip pairs, sigmas), checkpoint's hash, versions, metrics.
    """
    raise NotImplementedError


def read_contract(stored: dict[str, str], source: object) -> Contract:
    """The contract in a file's metadata.

    Args:
        stored: The metadata.
        source: The file, for the error.

    Raises:
        ElifPoseError: It has none: the file was not exported by ElifPose.
    """
    raise NotImplementedError
