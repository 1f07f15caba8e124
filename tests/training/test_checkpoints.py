from typing import Any

import pytest
import torch

from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.models.checkpoint import network_record
from elifpose.training.checkpoints import (
    Weights,
    differences,
    require_same_weights,
    require_training_state,
    take_weights,
)
from elifpose.utils.errors import ElifPoseError


def network(hidden_dims: int = 32, mean: float = 120.0) -> PoseEstimator:
    head = RTMCCHead(128, 17, (64, 64), hidden_dims=hidden_dims)
    return PoseEstimator(CSPNeXt(0.167, 0.125), head, mean=(mean, 116.28, 103.53))


def checkpoint(averaged: bool, trained: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"state_dict": "the average" if averaged else "the trained"}
    if averaged and trained:
        content["current_model_state"] = "the trained"
    return content | {"elifpose": {"averaged": averaged}}


@pytest.mark.parametrize(
    ("averaged", "trained", "asked", "given"),
    [
        (True, True, "averaged", "averaged"),
        (True, True, "trained", "trained"),
        (True, False, "averaged", "averaged"),
        (False, True, "averaged", "trained"),
        (False, True, "trained", "trained"),
    ],
)
def test_the_weights_are_those_that_were_asked_for(
    averaged: bool, trained: bool, asked: Weights, given: Weights
) -> None:
    content = checkpoint(averaged, trained)
    assert take_weights(content, asked, "a.ckpt") == given
    assert content["state_dict"] == {"averaged": "the average", "trained": "the trained"}[given]


def test_trained_weights_that_were_not_saved_are_an_error() -> None:
    with pytest.raises(ElifPoseError, match=r"a\.ckpt: was saved with weights only and has the averaged ones alone"):
        take_weights(checkpoint(averaged=True, trained=False), "trained", "a.ckpt")


def test_a_file_of_another_program_has_trained_weights() -> None:
    assert take_weights({"state_dict": {}}, "averaged", "a.ckpt") == "trained"


def test_no_fit_goes_on_from_weights_only() -> None:
    require_training_state({"optimizer_states": [], "lr_schedulers": []}, "a.ckpt")
    with pytest.raises(ElifPoseError, match=r"a\.ckpt: holds weights only.*--model\.init_from=a\.ckpt"):
        require_training_state({"state_dict": {}}, "a.ckpt")


def test_records_differ_by_dotted_paths() -> None:
    record = {"version": 1, "codec": {"sigma": (4.9, 5.66), "split": 2}, "network": {"neck": None}, "averaged": True}
    same = {"version": 1, "codec": {"sigma": [4.9, 5.66], "split": 2}, "network": {"neck": None}}
    assert differences(record, same) == []
    other = {"version": 1, "codec": {"sigma": [6.0, 7.0], "split": 2}, "network": {"neck": {"class": "PAFPN"}}}
    assert differences(record, other) == [
        "codec.sigma: [6.0, 7.0] (the checkpoint had [4.9, 5.66])",
        "network.neck.class: PAFPN (the checkpoint had nothing)",
    ]
    assert differences({}, {"skeleton": "coco17"}) == ["skeleton: coco17 (the checkpoint had nothing)"]


def test_a_network_of_other_shapes_is_named_by_its_arguments() -> None:
    saved, own = network(hidden_dims=64), network()
    content = {"state_dict": saved.state_dict(), "elifpose": network_record(saved)}
    expected = r"network\.head\.hidden_dims: 32 \(the checkpoint had 64\)"
    with pytest.raises(ElifPoseError, match=expected):
        require_same_weights(content, network_record(own), own.state_dict(), "a.ckpt")


def test_what_leaves_all_shapes_equal_is_no_error() -> None:
    saved, own = network(mean=0.0), network()
    content = {"state_dict": saved.state_dict(), "elifpose": network_record(saved)}
    require_same_weights(content, network_record(own), own.state_dict(), "a.ckpt")
    assert differences(network_record(saved), network_record(own))


def test_weights_beside_the_network_are_named_themselves() -> None:
    own = network()
    more = own.state_dict() | {"auxiliary.0.weight": torch.zeros(1)}
    content = {"state_dict": more, "elifpose": network_record(own)}
    with pytest.raises(ElifPoseError, match=r"1 differ: auxiliary\.0\.weight\)"):
        require_same_weights(content, network_record(own), own.state_dict(), "a.ckpt")
