import copy
from pathlib import Path

import pytest
import torch

from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.models.checkpoint import network_record
from elifpose.models.checkpoint_files import RECORD_KEY
from elifpose.quantization import QuantizationSpec, calibrate, is_prepared, prepare, quantizers
from elifpose.quantization.checkpoint import QUANTIZATION
from elifpose.quantization.quantizers import LearnedStep
from elifpose.training.quantized import Quantization, copy_ranges
from elifpose.utils.errors import ElifPoseError

IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network(hidden_dims: int = 32) -> PoseEstimator:
    torch.manual_seed(0)
    head = RTMCCHead(64, 5, (64, 64), hidden_dims=hidden_dims, stride=16)
    return PoseEstimator(CSPNeXt(0.1, 0.125, out_stages=(3,)), head).eval()


def calibrated(spec: QuantizationSpec | None = None) -> PoseEstimator:
    prepared = network()
    prepare(prepared, spec)
    calibrate(prepared, [IMAGES])
    return prepared.eval()


def write(of: PoseEstimator, path: Path) -> Path:
    record = {**network_record(of), QUANTIZATION: Quantization(of).record()}
    torch.save({"state_dict": of.state_dict(), RECORD_KEY: record}, path)
    return path


def test_a_record_makes_the_network_what_it_was() -> None:
    spec = QuantizationSpec(observer="learned", float_layers=("head.gau",))
    first, second = Quantization(prepared := calibrated(spec)), Quantization(other := network())
    first.enter(observing=False, norms_frozen=True)
    first.learning_rate_scale = 0.25
    second.restore(first.record())
    assert second.record() == first.record()
    assert other.state_dict().keys() == prepared.state_dict().keys()
    second.restore({**(first.record() or {}), "spec": QuantizationSpec().arguments()})
    assert second.spec == QuantizationSpec()
    assert not second.learned_steps()
    second.restore(None)
    assert second.record() is None
    assert other.state_dict().keys() == network().state_dict().keys()
    assert second.learning_rate_scale == 1.0


def test_norms_are_held_until_it_is_over() -> None:
    of = Quantization(prepared := calibrated())
    before = copy.deepcopy(prepared.state_dict())
    for frozen in (True, False):
        of.enter(observing=False, norms_frozen=frozen)
        prepared.train()
        of.start_batch()
        prepared(IMAGES)
        moved = [name for name, value in prepared.state_dict().items() if not torch.equal(value, before[name])]
        assert bool(moved) != frozen


@pytest.mark.parametrize("learned_steps", [False, True])
def test_ranges_are_copied_and_learned_steps_on_demand(learned_steps: bool) -> None:
    source = calibrated(QuantizationSpec(observer="learned"))
    target = network()
    prepare(target, QuantizationSpec(observer="learned"))
    copy_ranges(source, target, learned_steps)
    for (_, theirs), (_, own) in zip(quantizers(target), quantizers(source), strict=True):
        assert isinstance(theirs, LearnedStep)
        assert isinstance(own, LearnedStep)
        assert theirs.low == own.low
        assert theirs.batches == own.batches == 1
        assert (theirs.log_scale == own.log_scale) == learned_steps


@pytest.mark.parametrize("scope", ["all", "backbone", "matching"])
def test_weights_come_with_their_quantization_if_all_are_taken(scope: str, tmp_path: Path) -> None:
    prepared = calibrated()
    for parameter in prepared.parameters():
        parameter.data += 1
    path, into = write(prepared, tmp_path / "quantized.ckpt"), network()
    Quantization(into).load_weights(path, scope)  # type: ignore[arg-type]
    assert is_prepared(into) == (scope == "all")
    saved = prepared.state_dict()
    equal = {name: torch.equal(value, saved[name]) for name, value in into.state_dict().items()}
    assert equal["backbone.stem.0.conv.weight"]
    assert equal["head.final_layer.weight"] == (scope != "backbone")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path, into = write(calibrated(), tmp_path / "quantized.ckpt"), network(hidden_dims=16)
    with pytest.raises(ElifPoseError, match="does not fit"):
        Quantization(into).load_weights(path, "all")
