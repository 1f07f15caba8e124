"""What the network says of a batch of people."""

from typing import NamedTuple

from torch import Tensor


class PosePrediction(NamedTuple):
    """Decoded keypoints."""

    keypoints_input: Tensor
    """``(N, K, 2)`` float32, input pixels, x then y."""
    scores: Tensor
    """``(N, K)`` float32, raw: the smaller of the two axes' highest logits."""
