"""Which layer of an exported ONNX file does not compute what the network computes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from elifpose.export.onnx import INPUT, LAYER
from elifpose.export.onnx_runner import OnnxRunner, as_input, open_session, session_options
from elifpose.models import PoseEstimator
from elifpose.quantization.names import quantizable_layers
from elifpose.quantization.outputs import decibels, watch_outputs

if TYPE_CHECKING:
    from onnx import GraphProto


class LayerDifference(NamedTuple):
    """How a layer of the file differs from the network's, both given what the network's layers before it gave."""

    name: str
    """The layer, as :func:`elifpose.quantization.names.quantizable_layers` has it."""
    signal_to_noise: float
    """Power of what the network's layer gives over that of the difference, dB."""


@torch.inference_mode()
def compare_layers(network: PoseEstimator, path: str | Path, images: Tensor) -> list[LayerDifference]:
    """Run each layer of a file by itself, on what PyTorch gave for the layers before it.

    So an error shows in the layer that makes it, and in none behind it.

    Args:
        network: What the file was written from: float, or converted to integers.
        path: The file.
        images: Some crops, ``(N, 3, H, W)`` uint8 RGB.

    Returns:
        The layers that there are in both, worst first. What is done between layers, such as a sum, counts to the
        layer that takes it.

    Raises:
        ElifPoseError: A package is not installed, or the file cannot be read.
    """
    contract = OnnxRunner(path).contract
    import onnx
    from onnx.helper import tensor_dtype_to_np_dtype

    model = onnx.load(path)
    layers = quantizable_layers(network)
    tensors = _layer_tensors(model.graph, layers)
    with watch_outputs({layer: network.get_submodule(layers[layer][-1]) for layer in tensors}) as expected:
        network(images)
    # The images themselves, quantized, are no layer's work; a file may have them in another order of channels.
    tensors = {layer: tensor for layer, tensor in tensors.items() if expected[layer].shape != images.shape}
    types = _element_types(model.graph)
    feed = {INPUT: as_input(images, contract).numpy()}
    for layer, tensor in tensors.items():
        _cut(model.graph, tensor, types[tensor], expected[layer].shape)
        feed[_given(tensor)] = expected[layer].numpy().astype(tensor_dtype_to_np_dtype(types[tensor]))
    session = open_session(model.SerializeToString(), session_options())
    inputs = {of_input.name for of_input in session.get_inputs()}
    arrays = session.run(list(tensors.values()), {name: array for name, array in feed.items() if name in inputs})
    differences = [
        LayerDifference(layer, signal_to_noise(expected[layer], torch.from_numpy(array)))
        for layer, array in zip(tensors, arrays, strict=True)
    ]
    return sorted(differences, key=lambda difference: difference.signal_to_noise)


def signal_to_noise(expected: Tensor, actual: Tensor) -> float:
    """Power of a tensor over that of its difference from another one, dB."""
    expected, actual = expected.double(), actual.double()
    return decibels(float(expected.square().sum()), float((actual - expected).square().sum()))


def _layer_tensors(graph: "GraphProto", layers: Mapping[str, list[str]]) -> dict[str, str]:
    """For each layer that has nodes, the name of the tensor that its last node gives."""
    tensors = {}
    for node in graph.node:
        module = next((entry.value for entry in node.metadata_props if entry.key == LAYER), None)
        if module is not None:
            for layer, members in layers.items():
                if module in members or f"{module}.".startswith(f"{layer}."):
                    tensors[layer] = node.output[0]
    return tensors


def _cut(graph: "GraphProto", tensor: str, element_type: int, shape: Sequence[int]) -> None:
    """Make a tensor an output, and an input of the same kind what its consumers take instead.

    Where the tensor was quantized and dequantized, the input is as well: else they would not run in integers.
    """
    from onnx.helper import make_tensor_value_info

    consumers = [node for node in graph.node if tensor in node.input]
    if consumers:
        given = _given(tensor)
        graph.input.append(make_tensor_value_info(given, element_type, shape))
        taken = _round_alike(graph, tensor, given)
        for node in consumers:
            node.input[:] = [taken if name == tensor else name for name in node.input]
    if tensor not in {of_output.name for of_output in graph.output}:
        graph.output.append(make_tensor_value_info(tensor, element_type, None))


def _round_alike(graph: "GraphProto", tensor: str, given: str) -> str:
    """Quantize and dequantize an input as a tensor was; the name of the result, the input's own if it was not."""
    producers = {name: node for node in graph.node for name in node.output}
    dequantize = producers[tensor]
    quantize = producers.get(dequantize.input[0]) if dequantize.op_type == "DequantizeLinear" else None
    if quantize is None:
        return given
    place = list(graph.node).index(dequantize) + 1
    for node in (dequantize, quantize):
        graph.node.insert(place, node)
    for copy, source, result in (
        (graph.node[place], given, f"{given}.codes"),
        (graph.node[place + 1], f"{given}.codes", f"{given}.rounded"),
    ):
        copy.name, copy.input[0], copy.output[0] = result, source, result
    return f"{given}.rounded"


def _given(tensor: str) -> str:
    return f"{tensor}.given"


def _element_types(graph: "GraphProto") -> dict[str, int]:
    """ONNX's number of the type of each tensor that nodes give."""
    return {of.name: of.type.tensor_type.elem_type for of in (*graph.value_info, *graph.output)}
