"""The runtime graph: what computes the logits in service."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handler.contract import Contract

FILE_NAME = "graph.xml"
_ROWS_AT_ONCE = 16  # bounds memory when one request carries many photos


class Runtime:
    """An OpenVINO graph on the CPU.

    Args:
        folder: holds ``graph.xml`` and ``graph.bin``.
        contract: what the graph must agree with.
        threads: for one inference.
        precision: ``f32``, ``bf16`` or ``f16``; arithmetic of the graph.

    Raises:
        ValueError: the graph's input or output does not agree with the contract; the message names both.
    """

    def __init__(self, folder: Path, contract: Contract, threads: int, precision: str) -> None:
        os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
        import openvino

        core = openvino.Core()
        model = core.read_model(folder / FILE_NAME)
        outputs = model.output(0).partial_shape[1]
        side = model.input(0).partial_shape[1]
        if outputs != contract.outputs or side != contract.input_size:
            raise ValueError(
                f"graph and contract disagree: graph has input {side} and {outputs} outputs, "
                f"contract has input {contract.input_size} and {contract.outputs} outputs"
            )
        self.name = f"openvino-{precision}"
        self.device = "cpu"
        self._compiled = core.compile_model(
            model,
            "CPU",
            {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision},
        )

    def infer(self, photos: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the network.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            logits, float32 [N, C + 1], and class activation maps, float32 [N, C + 1, h, w].
        """
        results = [self._compiled(photos[i : i + _ROWS_AT_ONCE]) for i in range(0, len(photos), _ROWS_AT_ONCE)]
        logits = np.concatenate([result[0] for result in results])
        maps = np.concatenate([result[1] for result in results])
        return logits, maps
