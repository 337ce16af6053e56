"""Convert a checkpoint to the runtime graph."""

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
    """Load the checkpoint into the served network, which takes uint8 photos and returns logits.

    Raises:
        FileNotFoundError: the checkpoint is missing.
        ValueError: the checkpoint is damaged or holds another network.
    """
    network = ResNet18(contract.outputs)
    checkpoint.load(network, model_folder / checkpoint.FILE_NAME)
    return ServedNetwork(network, contract.mean, contract.std).eval()


def write_graph(network: ServedNetwork, contract: Contract, ranges: Ranges, folder: Path) -> None:
    """Convert the network to an OpenVINO graph with a free batch size: ``graph.xml`` and ``graph.bin``.

    Args:
        network: a trained network.
        contract: its contract.
        ranges: range of the input of each convolution, for the quantisation to 8 bits.
        folder: receives the files.
    """
    os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
    import openvino

    side = contract.input_size
    network = fused(network)
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("photos")},))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch warns about how it copies the program itself
        model = openvino.convert_model(program, input=[-1, side, side, 3])
    quantise(model, network.network, ranges)
    # The checkpoint has float16 weights. Fused and stored as float16 again they keep 11 bits, more than integers need.
    openvino.save_model(model, folder / FILE_NAME, compress_to_fp16=True)


@torch.inference_mode()
def reference_logits(network: ServedNetwork, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits of the checkpoint, float32 [N, C + 1], for photos, uint8 [N, H, W, 3]."""
    logits: NDArray[np.float32] = network(torch.from_numpy(photos)).numpy()
    return logits
