"""Checkpoint to runtime graph."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from handler.contract import Contract
from handler.network import ResNet18, ServedNetwork
from handler.runtime import FILE_NAME

CHECKPOINT = "checkpoint.safetensors"


def load_network(model_folder: Path, contract: Contract) -> ServedNetwork:
    """Read the checkpoint into the network as it is served: uint8 photos in, logits and maps out.

    Raises:
        FileNotFoundError: there is no checkpoint; the message says how to get one.
        ValueError: it does not fit the contract; the message names the parameters.
    """
    path = model_folder / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Train one with `make train DATA=...`.")
    network = ResNet18(contract.outputs)
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    try:
        problems = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {contract.outputs} outputs: {error}") from error
    missing = [name for name in problems.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or problems.unexpected_keys:
        raise ValueError(f"{path} is another network: missing {missing}, unexpected {problems.unexpected_keys}")
    return ServedNetwork(network, contract.mean, contract.std).eval()


def write_graph(network: ServedNetwork, contract: Contract, folder: Path) -> None:
    """Convert the network to an OpenVINO graph with a free batch size: ``graph.xml`` and ``graph.bin``."""
    os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
    import openvino

    side = contract.input_size
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("photos")},))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, about how torch copies the program
        model = openvino.convert_model(program, input=[-1, side, side, 3])
    # The weights come as float16, so storing them so loses nothing that was there.
    openvino.save_model(model, folder / FILE_NAME, compress_to_fp16=True)


@torch.inference_mode()
def reference_logits(network: ServedNetwork, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the checkpoint itself says, float32 [N, C + 1], for uint8 photos [N, H, W, 3]."""
    logits: NDArray[np.float32] = network(torch.from_numpy(photos))[0].numpy()
    return logits
