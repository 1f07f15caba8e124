import pytest

from elifpose.models import PoseEstimator
from elifpose.quantization.names import matching_layers, quantizable_layers
from elifpose.utils.errors import ElifPoseError


def test_layers_are_blocks_layers_with_their_points_and_lone_points(network: PoseEstimator) -> None:
    layers = quantizable_layers(network)
    assert layers["backbone.stem.0"] == [
        f"backbone.stem.0.{part}" for part in ("conv", "activate", "inner_point", "point")
    ]
    assert layers["head.gau.uv"] == ["head.gau.uv", "head.gau.uv_point"]
    assert layers["head.final_layer"] == ["head.final_layer", "head.final_layer_point"]
    assert layers["head.mlp.1"] == ["head.mlp.1", "head.mlp_point"]
    assert layers["head.cls_x"] == ["head.cls_x"]
    assert layers["head.gau.gated_point"] == ["head.gau.gated_point"]


def test_every_weight_and_point_is_in_one_layer(network: PoseEstimator) -> None:
    members = [member for of_layer in quantizable_layers(network).values() for member in of_layer]
    assert len(members) == len(set(members))
    weights = {name.removesuffix(".weight") for name, value in network.named_parameters() if value.dim() >= 2}
    assert weights - {"head.gau.gamma", "head.gau.beta"} <= set(members)


@pytest.mark.parametrize(
    ("pattern", "some", "number"),
    [
        ("backbone.stem.0", "backbone.stem.0.inner_point", 4),
        ("backbone.stem.?.conv", "backbone.stem.2.conv", 3),
        ("head.gau.uv", "head.gau.uv_point", 2),
        ("head.mlp", "head.mlp_point", 3),
        ("head.cls_*", "head.cls_y", 2),
        ("head.gau.ln", "head.gau.ln.point", 1),
    ],
)
def test_patterns(network: PoseEstimator, pattern: str, some: str, number: int) -> None:
    meant = matching_layers([pattern], quantizable_layers(network), "float_layers")
    assert some in meant
    assert len(meant) == number


def test_a_pattern_may_mean_everything(network: PoseEstimator) -> None:
    layers = quantizable_layers(network)
    assert len(matching_layers(["*"], layers, "x")) == sum(len(members) for members in layers.values())


def test_an_unknown_name_is_answered_with_near_ones(network: PoseEstimator) -> None:
    with pytest.raises(ElifPoseError, match=r"float_layers has 'head\.gua'.*near it are .*head\.gau"):
        matching_layers(["head.gua"], quantizable_layers(network), "float_layers")
