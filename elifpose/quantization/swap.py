"""Quantization-aware training by an in-place change of modules' classes: parameters keep identity and name."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from elifpose.models.heads.gau import GatedAttentionUnit, Scale, ScaleNorm
from elifpose.models.layers import QuantPoint
from elifpose.quantization.layers import FakeQuantConv2d, FakeQuantLinear, FakeQuantPoint, FakeQuantSiLU
from elifpose.quantization.names import matching_layers, quantizable_layers
from elifpose.quantization.quantizers import LearnedStep, MovingRange
from elifpose.quantization.spec import QuantizationSpec
from elifpose.utils.errors import ElifPoseError

SPEC_ATTRIBUTE = "quantization_spec"
"""Where a prepared network keeps its specification."""


_FLOAT_TO_FAKE: dict[type[nn.Module], type[FakeQuantConv2d | FakeQuantLinear | FakeQuantPoint | FakeQuantSiLU]] = {
    nn.Conv2d: FakeQuantConv2d,
    nn.Linear: FakeQuantLinear,
    QuantPoint: FakeQuantPoint,
    nn.SiLU: FakeQuantSiLU,
}
_FAKE_TO_FLOAT = {fake: of_float for of_float, fake in _FLOAT_TO_FAKE.items()}
# Their few parameters scale an activation that a point then quantizes; norms become part of convolutions.
_FLOAT_BY_DESIGN = (GatedAttentionUnit, Scale, ScaleNorm, nn.BatchNorm2d)


class PrepareReport(NamedTuple):
    """What :func:`prepare` did, by names of modules."""

    swapped: tuple[str, ...]
    """Weights and points that are fake-quantized now."""
    kept_float: tuple[str, ...]
    """Those that a pattern of ``float_layers`` means."""
    unsupported: tuple[str, ...]
    """Modules whose parameters stay float as their type cannot be quantized, with the type."""

    def __str__(self) -> str:
        """One line."""
        line = f"{len(self.swapped)} weights and activations quantized, {len(self.kept_float)} kept float"
        return f"{line}; not supported, so float: {', '.join(self.unsupported)}" if self.unsupported else line


def prepare(network: nn.Module, spec: QuantizationSpec | None = None) -> PrepareReport:
    """Put fake quantization into a network, in place. It observes and quantizes from then on.

    Parameters stay the same objects with the same names, so that optimizers, averages and checkpoints go on. New in
    the state dict are the points' ranges, and new parameters only those of learned steps.

    Args:
        network: A float network.
        spec: What is quantized, and how; none means the default.

    Returns:
        What was changed.

    Raises:
        ElifPoseError: The network is quantized already or has nothing to quantize, or a pattern names no layer.
    """
    spec = QuantizationSpec() if spec is None else spec
    if is_prepared(network):
        raise ElifPoseError("quantization: the network is quantized already; unprepare it first")
    modules = dict(network.named_modules())
    layers = quantizable_layers(network)
    floats = matching_layers(spec.float_layers, layers, "float_layers")
    wide = matching_layers(spec.sixteen_bit_layers, layers, "sixteen_bit_layers")
    members = [name for names in layers.values() for name in names if type(modules[name]) in _FLOAT_TO_FAKE]
    swapped = [name for name in members if name not in floats]
    if not swapped:
        raise ElifPoseError("quantization: nothing is left to quantize; shorten float_layers")
    device = next(network.parameters()).device
    for name in swapped:
        _to_fake(modules[name], spec, 16 if name in wide else spec.activation_bits)
        modules[name].to(device)
    setattr(network, SPEC_ATTRIBUTE, spec)
    return PrepareReport(
        tuple(swapped), tuple(name for name in members if name in floats), tuple(_unsupported(modules))
    )


def unprepare(network: nn.Module) -> None:
    """Take fake quantization out again, in place: the float network of the weights as they are now.

    Raises:
        ElifPoseError: The network is not prepared.
    """
    require_prepared(network)
    for module in list(network.modules()):
        if isinstance(module, FakeQuantPoint):
            del module.quantizer
        elif isinstance(module, FakeQuantConv2d | FakeQuantLinear):
            del module.weight_bits, module.quantizing
        elif isinstance(module, FakeQuantSiLU):
            del module.bits, module.quantizing
        else:
            continue
        module.__class__ = _FAKE_TO_FLOAT[type(module)]  # type: ignore[assignment]
    delattr(network, SPEC_ATTRIBUTE)


def is_prepared(network: nn.Module) -> bool:
    """Whether :func:`prepare` was called on the network."""
    return hasattr(network, SPEC_ATTRIBUTE)


def quantization_spec(network: nn.Module) -> QuantizationSpec | None:
    """How :func:`prepare` quantized the network; none for a float network."""
    spec: QuantizationSpec | None = getattr(network, SPEC_ATTRIBUTE, None)
    return spec


def quantization_arguments(network: nn.Module) -> dict[str, object] | None:
    """Arguments of the network's :class:`QuantizationSpec`, as what JSON can hold, or none for a float network."""
    spec = quantization_spec(network)
    return None if spec is None else spec.arguments()


def require_prepared(network: nn.Module) -> None:
    """Raise :class:`ElifPoseError` unless the network is prepared."""
    if not is_prepared(network):
        raise ElifPoseError("quantization: the network is a float network; prepare it first")


def _to_fake(module: nn.Module, spec: QuantizationSpec, bits: int) -> None:
    """Change one module's class and give it what the new class needs."""
    module.__class__ = _FLOAT_TO_FAKE[type(module)]
    if isinstance(module, FakeQuantPoint):
        quantizer = LearnedStep if spec.observer == "learned" else MovingRange
        module.quantizer = quantizer(bits, spec).train(module.training)
    elif isinstance(module, FakeQuantConv2d | FakeQuantLinear):
        module.weight_bits = spec.weight_bits
        module.quantizing = True
    elif isinstance(module, FakeQuantSiLU):
        module.bits = bits
        module.quantizing = True


def _unsupported(modules: dict[str, nn.Module]) -> Iterator[str]:
    """Modules with parameters of their own that no class of this package stands for, after the change."""
    for name, module in modules.items():
        known = (*_FLOAT_TO_FAKE, *_FAKE_TO_FLOAT, *_FLOAT_BY_DESIGN)
        if type(module) not in known and next(module.parameters(recurse=False), None) is not None:
            yield f"{name} ({type(module).__name__})"
