"""Run the network as an OpenVINO graph on the CPU."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract

FILE_NAME = "graph.xml"
_ROWS_AT_ONCE = 16  # bounds memory when one request carries many photos


class OpenVinoRuntime:
    """An OpenVINO graph on the CPU.

    The graph in the archive has nodes that round the input and the weights of each convolution to 8 bits. With them the
    plug-in computes in integers, without them in floating point.

    Args:
        folder: holds ``graph.xml`` and ``graph.bin``.
        contract: the graph must fit it.
        threads: for one inference.
        arithmetic: ``int8``, ``bf16``, ``f16`` or ``f32``.

    Raises:
        ValueError: the graph's input or output does not agree with the contract; the message names both.
    """

    def __init__(self, folder: Path, contract: Contract, threads: int, arithmetic: str) -> None:
        os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
        import openvino

        core = openvino.Core()
        # A mapped file would stay in memory beside the plug-in's own copy.
        core.set_property({"ENABLE_MMAP": False})
        model = core.read_model(folder / FILE_NAME)
        outputs = model.output(0).partial_shape[1]
        side = model.input(0).partial_shape[1]
        if outputs != contract.outputs or side != contract.input_size:
            raise ValueError(
                f"graph and contract disagree: graph has input {side} and {outputs} outputs, "
                f"contract has input {contract.input_size} and {contract.outputs} outputs"
            )
        if arithmetic != "int8":
            _without_rounding(model)
        self.name = f"openvino-{arithmetic}"
        self.device = "cpu"
        self._compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
                # Beside the integer convolutions, everything else stays in float32.
                "INFERENCE_PRECISION_HINT": "f32" if arithmetic == "int8" else arithmetic,
            },
        )

    def infer(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network; see :meth:`handler.runtimes.runtime.Runtime.infer`."""
        parts = (photos[i : i + _ROWS_AT_ONCE] for i in range(0, len(photos), _ROWS_AT_ONCE))
        return np.concatenate([self._compiled(part)[0] for part in parts])


def _without_rounding(model: Any) -> None:
    """Remove the FakeQuantize nodes of a model, in place."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            for reader in list(node.output(0).get_target_inputs()):
                reader.replace_source_output(node.input_value(0))
    model.validate_nodes_and_infer_types()
