import numpy as np
import torch

from elifpose.models.heads.gau import GatedAttentionUnit, Scale, ScaleNorm


def test_scale_norm_divides_by_the_root_mean_square() -> None:
    norm = ScaleNorm(4)
    norm.g.data.fill_(3.0)
    x = torch.tensor([[[1.0, -1.0, 1.0, -1.0], [2.0, 0.0, 0.0, 0.0]]])
    torch.testing.assert_close(norm(x), torch.tensor([[[3.0, -3.0, 3.0, -3.0], [6.0, 0.0, 0.0, 0.0]]]))


def test_scale_norm_of_zeros_is_zero() -> None:
    assert not torch.any(ScaleNorm(8)(torch.zeros(1, 2, 8)))


def test_scale_multiplies_each_channel() -> None:
    scale = Scale(2)
    scale.scale.data = torch.tensor([2.0, -1.0])
    torch.testing.assert_close(scale(torch.tensor([[3.0, 5.0]])), torch.tensor([[6.0, -5.0]]))


def test_attention_equals_loops_over_tokens() -> None:
    torch.manual_seed(0)
    unit = GatedAttentionUnit(6, attention_dims=3, expansion=2, activation="ReLU").double()
    x = torch.randn(1, 4, 6, dtype=torch.float64)
    p = {name: value.detach().numpy() for name, value in unit.named_parameters()}

    tokens = x[0].numpy()
    normed = tokens / np.sqrt((tokens**2).mean(axis=1, keepdims=True))
    mixed = np.maximum(normed @ p["uv.weight"].T, 0)
    gate, values, base = mixed[:, :12], mixed[:, 12:24], mixed[:, 24:]
    expected = np.empty_like(tokens)
    for i in range(4):
        attended = np.zeros(12)
        for j in range(4):
            query, key = base[i] * p["gamma"][0] + p["beta"][0], base[j] * p["gamma"][1] + p["beta"][1]
            attended += max(query @ key / np.sqrt(3), 0.0) ** 2 * values[j]
        expected[i] = tokens[i] * p["res_scale.scale"] + (gate[i] * attended) @ p["o.weight"].T
    np.testing.assert_allclose(unit(x)[0].detach(), expected, rtol=1e-10)
