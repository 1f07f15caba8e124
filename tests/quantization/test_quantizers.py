import numpy as np
import pytest
import torch

from elifpose.quantization import QuantizationSpec
from elifpose.quantization.quantizers import SUBSAMPLE, LearnedStep, MovingRange, batch_range, evenly_spread


def test_range_contains_zero_and_the_extremes() -> None:
    assert [float(end) for end in batch_range(torch.tensor([[1.0, 4.0], [2.0, 3.0]]))] == [0, 4]
    assert [float(end) for end in batch_range(torch.tensor([-5.0, -1.0]))] == [-5, 0]


@pytest.mark.parametrize("share", [0.9, 0.99, 0.9999])
def test_percentiles_are_numpys(share: float) -> None:
    x = torch.randn(5, 7, 11, 13, generator=torch.Generator().manual_seed(0))
    low, high = batch_range(x, share)
    expected = np.quantile(x.numpy().astype(np.float64), [1 - share, share])
    np.testing.assert_allclose([float(low), float(high)], expected, rtol=1e-5)


def test_percentile_of_one_value() -> None:
    assert [float(end) for end in batch_range(torch.tensor([3.0]), 0.99)] == [0, 3]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_percentiles_of_large_maps_see_every_channel(memory_format: torch.memory_format) -> None:
    channels = 24
    x = torch.zeros(4, channels, 64, 64).contiguous(memory_format=memory_format)
    assert x.numel() > 2 * SUBSAMPLE
    for channel in range(channels):
        x.zero_()
        x[:, channel] = 1.0
        _, high = batch_range(x, 0.98)  # the channel is 4 % of the values
        assert high == 1


def test_spread_values_are_of_all_places_of_a_kernel() -> None:
    places = torch.arange(9.0).view(3, 3).expand(128, 64, 3, 3)
    found = evenly_spread(places, 8192)
    assert 4096 < len(found) <= 8192
    _, counts = np.unique(found.numpy(), return_counts=True)
    assert len(counts) == 9
    assert counts.min() > 0.9 * counts.max()


def test_moving_range_weighs_first_batches_alike_and_then_by_momentum() -> None:
    moving = MovingRange(8, QuantizationSpec(momentum=0.75))
    tops = [4.0, 8.0, 3.0, 9.0, 1.0, 2.0]
    for top in tops:
        moving(torch.tensor([-top / 2, top]))
    expected = np.mean(tops[:4])
    for top in tops[4:]:
        expected = 0.75 * expected + 0.25 * top
    assert float(moving.high) == pytest.approx(expected)
    assert float(moving.low) == pytest.approx(-expected / 2)


def test_nothing_is_observed_in_evaluation_or_when_off() -> None:
    moving = MovingRange(8, QuantizationSpec()).eval()
    moving(torch.ones(3))
    moving.train().observing = False
    moving(torch.ones(3))
    assert int(moving.batches) == 0


def test_percentile_leaves_out_a_rare_value() -> None:
    moving = MovingRange(8, QuantizationSpec(observer="percentile", percentile=0.99))
    x = torch.rand(10_000)
    x[17] = 1000.0
    moving(x)
    assert 0.9 < float(moving.high) < 1


def test_quantizing_off_gives_the_tensor_itself() -> None:
    moving = MovingRange(8, QuantizationSpec())
    moving.quantizing = False
    x = torch.randn(4)
    assert moving(x) is x


def test_learned_steps_start_from_what_was_observed() -> None:
    learned, moving = LearnedStep(8, QuantizationSpec(observer="learned")), MovingRange(8, QuantizationSpec())
    x = torch.randn(8, 100)
    learned.observe(x)
    expected = moving(x)
    torch.testing.assert_close(learned(x), expected, rtol=0, atol=1e-5)


def test_learned_steps_widen_for_values_that_they_cut_off() -> None:
    learned = LearnedStep(8, QuantizationSpec(observer="learned"))
    x = torch.randn(8, 100)
    learned.observe(0.3 * x)
    steps = [learned.log_scale.item()]
    optimizer = torch.optim.Adam(learned.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        (learned(x) - x).square().sum().backward()
        optimizer.step()
        steps.append(learned.log_scale.item())
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]
    assert int(learned.batches) == 1  # training did not observe
