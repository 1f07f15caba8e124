import inspect
from typing import Any

import pytest
import torch

from elifpose.models import CSPNeXt
from elifpose.utils.errors import ElifPoseError


def test_maps_have_the_channels_and_strides_that_are_announced() -> None:
    backbone = CSPNeXt(0.1, 0.125, out_stages=(0, 1, 2, 3, 4)).eval()
    assert backbone.out_channels == (8, 16, 32, 64, 128)
    assert backbone.out_strides == (2, 4, 8, 16, 32)
    maps = backbone(torch.randn(1, 3, 96, 64))
    expected = zip(backbone.out_channels, backbone.out_strides, strict=True)
    assert [tuple(m.shape[1:]) for m in maps] == [(c, 96 // stride, 64 // stride) for c, stride in expected]


def test_chosen_stages_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    whole = CSPNeXt(0.1, 0.125, out_stages=(0, 1, 2, 3, 4)).eval()
    part = CSPNeXt(0.1, 0.125, out_stages=(1, 3)).eval()
    part.load_state_dict({name: value for name, value in whole.state_dict().items() if name in part.state_dict()})
    x = torch.randn(1, 3, 64, 64)
    maps = whole(x)
    torch.testing.assert_close(part(x), (maps[1], maps[3]))


def test_every_parameter_gets_a_gradient() -> None:
    backbone = CSPNeXt(0.1, 0.125, out_stages=(2,))
    backbone(torch.randn(2, 3, 64, 64))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_depthwise_and_plain_differ_in_the_3x3_convolutions_only() -> None:
    plain, depthwise = CSPNeXt(0.1, 0.125), CSPNeXt(0.1, 0.125, depthwise=True)
    only_plain = set(plain.state_dict()) - set(depthwise.state_dict())
    assert {name.rsplit(".", 2)[0] for name in only_plain} == {
        *(f"stage{stage}.0" for stage in range(1, 5)),
        *(f"stage{stage}.1.blocks.0.conv1" for stage in range(1, 4)),
        "stage4.2.blocks.0.conv1",
    }


def test_channel_attention_can_be_left_out() -> None:
    assert not any("attention" in name for name in CSPNeXt(0.1, 0.125, channel_attention=False).state_dict())


def test_arguments_rebuild_the_backbone() -> None:
    given: dict[str, Any] = {
        "deepen_factor": 0.33,
        "widen_factor": 0.25,
        "activation": "ReLU",
        "out_stages": [2, 3],
        "depthwise": True,
        "expand_ratio": 0.25,
        "channel_attention": False,
    }
    assert set(given) == set(inspect.signature(CSPNeXt).parameters)
    assert CSPNeXt(**given).arguments() == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widen_factor": -1.0}, "widen_factor is -1.0"),
        ({"deepen_factor": 0.0}, "deepen_factor is 0.0"),
        ({"out_stages": (5,)}, "out_stages is .* from 0 to 4"),
        ({"activation": "GELU"}, "activation is 'GELU'; choose one of SiLU, ReLU, Hardswish"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        CSPNeXt(**arguments)
