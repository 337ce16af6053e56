"""The runtime graph in 8-bit integers, from ranges that training measured.

Needs no photos: the ranges of the activations travel with the model, those of the weights follow from the checkpoint.
What is written are FakeQuantize nodes around the convolutions; the CPU plug-in turns them into integer arithmetic.
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
_WEIGHT_LEVELS = 255  # symmetric: as many below zero as above


def quantise(model: Any, network: ResNet18, ranges: Ranges) -> None:
    """Put FakeQuantize nodes before every convolution of an OpenVINO model, on what it receives and on its weights.

    What a convolution receives is rounded once for all who read it: the shortcut then moves bytes too.

    Args:
        model: converted from ``network``; changed in place.
        network: its normalisations fused into the convolutions; names the graph's convolutions by their weights.
        ranges: of what each convolution receives.

    Raises:
        ValueError: a convolution of one side is missing on the other, or has no range.
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
    """Round a tensor for all its readers, once."""
    from openvino import opset13

    if source.get_node().get_type_name() == "FakeQuantize":
        return
    readers = list(source.get_target_inputs())
    bounds = np.float32(low), np.float32(high)
    rounded = opset13.fake_quantize(source, *bounds, *bounds, _ACTIVATION_LEVELS).output(0)
    for reader in readers:
        reader.replace_source_output(rounded)


def _round_weights(reader: Any, weights: NDArray[np.float32]) -> None:
    """Round the weights of each output channel between minus and plus its largest."""
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
