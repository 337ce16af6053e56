"""Checkpoint to runtime graph."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.quantise import quantise
from handler import checkpoint
from handler.activation_ranges import Ranges
from handler.contract import Contract
from handler.network import ResNet18, ServedNetwork, fused
from handler.runtimes.openvino_runtime import FILE_NAME


def load_network(model_folder: Path, contract: Contract) -> ServedNetwork:
    """Read the checkpoint into the network as it is served: uint8 photos in, logits out.

    Raises:
        FileNotFoundError, ValueError: as :func:`handler.checkpoint.load`.
    """
    network = ResNet18(contract.outputs)
    checkpoint.load(network, model_folder / checkpoint.FILE_NAME)
    return ServedNetwork(network, contract.mean, contract.std).eval()


def write_graph(network: ServedNetwork, contract: Contract, ranges: Ranges, folder: Path) -> None:
    """Convert the network to an OpenVINO graph with a free batch size: ``graph.xml`` and ``graph.bin``.

    Args:
        network: a trained network.
        contract: its contract.
        ranges: of what each convolution receives, for the rounding to 8 bits.
        folder: where the files go.
    """
    os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
    import openvino

    side = contract.input_size
    network = fused(network)
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("photos")},))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, about how torch copies the program
        model = openvino.convert_model(program, input=[-1, side, side, 3])
    quantise(model, network.network, ranges)
    # The weights came as float16; with the normalisations in them they keep 11 bits, more than integers need.
    openvino.save_model(model, folder / FILE_NAME, compress_to_fp16=True)


@torch.inference_mode()
def reference_logits(network: ServedNetwork, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the checkpoint itself says, float32 [N, C + 1], for uint8 photos [N, H, W, 3]."""
    logits: NDArray[np.float32] = network(torch.from_numpy(photos)).numpy()
    return logits
