import pytest
import torch
from torch import Tensor, nn

from elifpose.models.layers import QuantPoint
from elifpose.quantization import QuantizationSpec, calibrate, prepare
from elifpose.quantization.spec import Observer
from elifpose.training.quantization_points import KEPT, watch_points


class Doubled(nn.Module):
    """Two points, the one that is called first being the second by name order."""

    def __init__(self) -> None:
        super().__init__()
        self.b_point = QuantPoint()
        self.a_point = QuantPoint()
        self.weight = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b_point(2 * self.a_point(x))
        return out


def prepared(bits: int = 8, observer: Observer = "minmax") -> nn.Module:
    network = Doubled().eval()
    prepare(network, QuantizationSpec(activation_bits=bits, observer=observer, float_layers=("weight",)))
    calibrate(network, [torch.tensor([[-1.0], [1.55]])])  # 255 steps of 0.01
    return network


@pytest.mark.parametrize("observer", ["minmax", "learned"])
def test_points_in_the_order_of_their_calls_with_range_and_values(observer: Observer) -> None:
    first, second = watch_points(prepared(observer=observer), torch.tensor([[-0.5], [0.25], [1.0]]))
    assert (first.name, second.name) == ("a_point", "b_point")
    assert first[1:6] == pytest.approx((8, -1.0, 1.55, -0.5, 1.0))
    assert second[1:6] == pytest.approx((8, -2.0, 3.1, -1.0, 2.0), abs=0.011)
    assert first.width == pytest.approx(2.55)
    assert first.sample.tolist() == pytest.approx([-0.5, 0.25, 1.0])


def test_clipped_is_what_no_code_can_say() -> None:
    x = torch.tensor([-1.1, -1.004, 0.0, 1.0, 1.554, 1.556, 3.0, 1.55, 0.5, 0.7])[:, None]
    first, second = watch_points(prepared(), x)
    assert first.clipped == pytest.approx(0.3)  # those within half a step are rounded, not cut
    assert second.clipped == 0  # the first has cut them


def test_sixteen_bits_have_the_same_range() -> None:
    first, _ = watch_points(prepared(bits=16), torch.zeros(1, 1))
    assert first[1:4] == pytest.approx((16, -1.0, 1.55), abs=1e-4)


def test_thinned_maps_show_every_place() -> None:
    class OnePoint(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.point, self.weight = QuantPoint(), nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.point(x)
            return out

    network, columns = OnePoint().eval(), torch.arange(32.0)
    maps = columns.expand(4, 16, 64, 32)
    prepare(network, QuantizationSpec(float_layers=("weight",)))
    calibrate(network, [maps])
    (point,) = watch_points(network, maps)
    assert maps.numel() > 2 * KEPT
    assert set(point.sample.tolist()) == set(columns.tolist())


def test_a_large_tensor_is_thinned_and_nothing_is_left_behind() -> None:
    network, x = prepared(), torch.linspace(-1, 1.5, 3 * KEPT + 5)[:, None]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    first, _ = watch_points(network, x)
    assert KEPT / 2 < len(first.sample) <= KEPT
    assert (first.smallest, first.largest) == (-1.0, 1.5)
    assert all(not module._forward_pre_hooks for module in network.modules())
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
