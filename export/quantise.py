"""Quantise the runtime graph to 8-bit integers, by activation ranges that training measured.

No photos are needed: the activation ranges come with the model, those of the weights follow from the checkpoint. The
graph gets FakeQuantize nodes around its convolutions, which the CPU plug-in turns into integer arithmetic.
Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
2018.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from handler.activation_ranges import Ranges
from handler.network import ResNet18

_ACTIVATION_LEVELS = 256
_WEIGHT_LEVELS = 255  # symmetric: as many levels below zero as above


def quantise(model: Any, network: ResNet18, ranges: Ranges) -> None:
    """Put FakeQuantize nodes on the input and on the weights of each convolution of an OpenVINO model.

    A tensor is rounded once for all its readers, so that the shortcut moves bytes as well.

    Args:
        model: converted from ``network``; changed in place.
        network: has its normalisations fused into the convolutions. Equal weights give the graph's convolutions their
            names.
        ranges: range of the input of each convolution.

    Raises:
        ValueError: a convolution of the model or of the network is missing in the other, or it has no range.
    """
    names = {_fingerprint(m.weight.detach().numpy()): n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    done = set()
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            weights = _constant(node.input_value(1))
            name = names.get(_fingerprint(weights), node.get_friendly_name())
            if name not in ranges:
                raise ValueError(f"convolution {name} has no activation range: the file belongs to another network")
            _round_input(node.input_value(0), *ranges[name])
            _round_weights(node.input(1), weights)
            done.add(name)
    if missing := set(names.values()) - done:
        raise ValueError(f"convolutions {sorted(missing)} are not in the graph")
    model.validate_nodes_and_infer_types()


def _round_input(source: Any, low: float, high: float) -> None:
    """Round a tensor once for all its readers."""
    from openvino import opset13

    if source.get_node().get_type_name() == "FakeQuantize":
        return
    readers = list(source.get_target_inputs())
    bounds = np.float32(low), np.float32(high)
    rounded = opset13.fake_quantize(source, *bounds, *bounds, _ACTIVATION_LEVELS).output(0)
    for reader in readers:
        reader.replace_source_output(rounded)


def _round_weights(reader: Any, weights: NDArray[np.float32]) -> None:
    """Round the weights of each output channel, between minus and plus their largest absolute value."""
    from openvino import opset13

    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True).clip(1e-8)
    bounds = -largest, largest
    rounded = opset13.fake_quantize(opset13.constant(weights), *bounds, *bounds, _WEIGHT_LEVELS)
    reader.replace_source_output(rounded.output(0))


def _fingerprint(weights: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(weights, dtype=np.float32).tobytes()


def _constant(output: Any) -> NDArray[np.float32]:
    node = output.get_node()
    if node.get_type_name() != "Constant":
        raise ValueError(f"the weights of a convolution come from {node.get_type_name()}, not from a constant")
    return np.array(node.data, dtype=np.float32)
