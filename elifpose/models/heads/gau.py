"""Gated attention unit: one attention layer over the keypoints (Hua et al., FLASH, arXiv 2202.10447)."""

import torch
from torch import Tensor, nn

from elifpose.models.layers import ACTIVATIONS, Activation, QuantPoint, point_before


class ScaleNorm(nn.Module):
    """Divide each token by its root mean square and scale all by one learned number ``g``.

    Args:
        dims: Length of a token.
        epsilon: Smallest root mean square that is divided by.
    """

    def __init__(self, dims: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.scale = dims**-0.5
        self.epsilon = epsilon
        self.point = QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(..., dims)`` along the last axis."""
        root_mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        normalised: Tensor = x / root_mean_square.clamp(min=self.epsilon)
        out: Tensor = self.point(normalised * self.g)
        return out


class Scale(nn.Module):
    """Multiply each channel by a learned number that starts at one.

    Args:
        dims: Number of channels.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dims))
        self.point = QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``(..., dims)``."""
        out: Tensor = self.point(x * self.scale)
        return out


class GatedAttentionUnit(nn.Module):
    """Gated self-attention with squared-ReLU weights and a scaled shortcut; tokens are keypoints.

    ``out = res_scale · x + W_o (gate ⊙ (weights · values))``. One linear layer of the normalised tokens gives the
    gate, the values and a shared base of queries and keys, which two learned scales and offsets tell apart. Weights
    are ``relu(q·k / √attention_dims)²``, without normalisation over tokens.

    Args:
        dims: Length of a token, in and out.
        attention_dims: Length of queries and keys.
        expansion: Length of gate and values in units of ``dims``.
        activation: The activation function after the first linear layer.
    """

    def __init__(
        self, dims: int, attention_dims: int = 128, expansion: int = 2, activation: Activation = "SiLU"
    ) -> None:
        super().__init__()
        expanded = dims * expansion
        # In this order for the sake of seeded weights and old optimizers; they run ln, uv, activate, gamma, beta, o.
        self.sizes = (expanded, expanded, attention_dims)
        self.attention_scale = attention_dims**-0.5
        self.gamma = nn.Parameter(torch.rand(2, attention_dims))
        self.beta = nn.Parameter(torch.rand(2, attention_dims))
        self.o = nn.Linear(expanded, dims, bias=False)
        self.uv = nn.Linear(dims, sum(self.sizes), bias=False)
        self.activate = ACTIVATIONS[activation]()
        self.ln = ScaleNorm(dims)
        self.res_scale = Scale(dims)

        self.uv_point = point_before(activation)
        self.activated_point = QuantPoint()
        self.query_point = QuantPoint()
        self.key_point = QuantPoint()
        self.similarity_point = QuantPoint()
        self.weight_point = QuantPoint()
        self.attended_point = QuantPoint()
        self.gated_point = QuantPoint()
        self.o_point = QuantPoint()
        self.sum_point = QuantPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens ``(N, K, dims)`` into the same shape."""
        activated = self.activated_point(self.activate(self.uv_point(self.uv(self.ln(x)))))
        gate, values, base = activated.split(self.sizes, dim=-1)  # twice (N, K, expanded), (N, K, attention_dims)
        gated = self.gated_point(gate * self._attend(base, values))
        update = self.o_point(self.o(gated))  # (N, K, dims)
        shortcut = self.res_scale(x)
        out: Tensor = self.sum_point(shortcut + update)
        return out

    def _attend(self, base: Tensor, values: Tensor) -> Tensor:
        """Weighted sums ``(N, K, expanded)`` of the values, by the queries and keys of ``(N, K, attention_dims)``."""
        queries = self.query_point(base * self.gamma[0] + self.beta[0])
        keys = self.key_point(base * self.gamma[1] + self.beta[1])
        similarity = torch.bmm(queries, keys.transpose(1, 2)) * self.attention_scale  # (N, K, K)
        weights = self.weight_point(self.similarity_point(similarity.relu()).square())
        out: Tensor = self.attended_point(torch.bmm(weights, values))
        return out
