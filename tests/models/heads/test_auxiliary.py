import torch

from elifpose.models import AuxiliaryHeatmap


def test_each_cell_is_a_weighted_sum_of_its_channels() -> None:
    head = AuxiliaryHeatmap(4, 3)
    features = torch.randn(2, 4, 6, 5)
    heatmaps = head(features)
    assert heatmaps.shape == (2, 3, 6, 5)
    weight, bias = head.state_dict().values()
    torch.testing.assert_close(heatmaps[1, :, 2, 3], weight[:, :, 0, 0] @ features[1, :, 2, 3] + bias)
