import json
from typing import Any

import pytest

from elifpose.quantization import QuantizationSpec
from elifpose.utils.errors import ElifPoseError


def test_arguments_survive_json() -> None:
    spec = QuantizationSpec(6, 16, "learned", 0.99, 0.5, ("head.gau",), ("head.mlp.*", "backbone"))
    assert QuantizationSpec(**json.loads(json.dumps(spec.arguments()))) == spec


@pytest.mark.parametrize(
    "argument",
    [
        {"weight_bits": 1},
        {"weight_bits": 9},
        {"activation_bits": 4},
        {"observer": "median"},
        {"percentile": 0.5},
        {"percentile": 1.1},
        {"momentum": 1.0},
        {"momentum": -0.1},
    ],
)
def test_an_argument_out_of_range_is_named(argument: dict[str, Any]) -> None:
    with pytest.raises(ElifPoseError, match=f"{next(iter(argument))} is "):
        QuantizationSpec(**argument)
